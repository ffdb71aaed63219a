#include "picture.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <stdexcept>

#include <zimg.h>

namespace gallery {
namespace {

struct graph_release {
  void operator()(zimg_filter_graph* graph) const noexcept { zimg_filter_graph_free(graph); }
};
using graph_handle = std::unique_ptr<zimg_filter_graph, graph_release>;

struct aligned_release {
  void operator()(std::byte* memory) const noexcept { ::operator delete(memory, std::align_val_t{plane::alignment}); }
};
using aligned_memory = std::unique_ptr<std::byte, aligned_release>;

/// Want of memory apart, none of zimg's errors can come from a client: dimensions were checked before.
void expect_success(zimg_error_code_e code) {
  if (code == ZIMG_ERROR_SUCCESS) return;
  // unknown: what it caught and had no memory to name
  if (code == ZIMG_ERROR_OUT_OF_MEMORY || code == ZIMG_ERROR_UNKNOWN) throw std::bad_alloc();
  std::array<char, 256> text{};
  zimg_get_last_error(text.data(), text.size());
  throw std::runtime_error(std::string("zimg: ") + text.data());
}

zimg_image_format full_range_bytes(unsigned width, unsigned height) {
  zimg_image_format format;
  zimg_image_format_default(&format, ZIMG_API_VERSION);
  format.width = width;
  format.height = height;
  format.pixel_type = ZIMG_PIXEL_BYTE;
  format.pixel_range = ZIMG_RANGE_FULL;
  return format;
}

graph_handle build_graph(const zimg_image_format& from, const zimg_image_format& to) {
  zimg_graph_builder_params parameters;
  zimg_graph_builder_params_default(&parameters, ZIMG_API_VERSION);
  parameters.resample_filter = ZIMG_RESIZE_LANCZOS;
  parameters.resample_filter_uv = ZIMG_RESIZE_LANCZOS;
  graph_handle graph(zimg_filter_graph_build(&from, &to, &parameters));
  if (!graph) expect_success(zimg_get_last_error(nullptr, 0));
  if (!graph) throw std::bad_alloc();  // where there is no memory even for its message
  return graph;
}

void process(const zimg_filter_graph& graph, const zimg_image_buffer_const& from, const zimg_image_buffer& to) {
  std::size_t scratch_bytes = 0;
  expect_success(zimg_filter_graph_get_tmp_size(&graph, &scratch_bytes));
  const aligned_memory scratch(
      static_cast<std::byte*>(::operator new(scratch_bytes, std::align_val_t{plane::alignment})));
  expect_success(zimg_filter_graph_process(&graph, &from, &to, scratch.get(), nullptr, nullptr, nullptr, nullptr));
}

void point_at(zimg_image_buffer& buffer, std::size_t index, plane& target) {
  buffer.plane[index].data = target.row(0);
  buffer.plane[index].stride = static_cast<std::ptrdiff_t>(target.stride());
  buffer.plane[index].mask = ZIMG_BUFFER_MAX;
}

zimg_image_format covered_bytes(const plane& source, double covered_width, double covered_height) {
  auto format = full_range_bytes(source.width(), source.height());
  format.active_region.left = 0;
  format.active_region.top = 0;
  format.active_region.width = covered_width;
  format.active_region.height = covered_height;
  return format;
}

/// Resamples as many planes as there are. `covered_*` is how much of the source the target shows: chroma planes of
/// odd-sized pictures reach half a sample beyond the picture's edge, and so do rows of blocks.
std::vector<plane> process_planes(const zimg_filter_graph& graph, std::span<const plane> source, dimensions target) {
  std::vector<plane> results;
  results.reserve(source.size());
  zimg_image_buffer_const input{};
  input.version = ZIMG_API_VERSION;
  zimg_image_buffer output{};
  output.version = ZIMG_API_VERSION;
  for (std::size_t index = 0; index < source.size(); ++index) {
    input.plane[index].data = source[index].row(0);
    input.plane[index].stride = static_cast<std::ptrdiff_t>(source[index].stride());
    input.plane[index].mask = ZIMG_BUFFER_MAX;
    point_at(output, index, results.emplace_back(target.width, target.height));
  }
  process(graph, input, output);
  return results;
}

plane resample_plane(const plane& source, double covered_width, double covered_height, dimensions target) {
  const auto graph =
      build_graph(covered_bytes(source, covered_width, covered_height), full_range_bytes(target.width, target.height));
  return std::move(process_planes(*graph, std::span(&source, 1), target).front());
}

plane turn(const plane& source, orientation held) {
  const bool swapped = swaps_sides(held);
  plane result(swapped ? source.height() : source.width(), swapped ? source.width() : source.height());
  using enum orientation;
  const bool reverse_x = held == mirrored || held == half_turn || held == transversed || held == quarter_left;
  const bool reverse_y = held == half_turn || held == flipped || held == quarter_right || held == transversed;
  // Reversal happens in the source's axes; then the axes change places.
  for (unsigned y = 0; y < result.height(); ++y) {
    std::uint8_t* row = result.row(y);
    for (unsigned x = 0; x < result.width(); ++x) {
      unsigned source_x = swapped ? y : x;
      unsigned source_y = swapped ? x : y;
      if (reverse_x) source_x = source.width() - 1 - source_x;
      if (reverse_y) source_y = source.height() - 1 - source_y;
      row[x] = source.row(source_y)[source_x];
    }
  }
  return result;
}

}  // namespace

dimensions fit(dimensions original, unsigned longest) noexcept {
  const unsigned side = std::max(original.width, original.height);
  if (side <= longest) return original;
  const auto scaled = [&](unsigned length) {
    return std::max(1u, static_cast<unsigned>(std::lround(static_cast<double>(length) * longest / side)));
  };
  return {scaled(original.width), scaled(original.height)};
}

picture resample(const picture& source, dimensions target) {
  picture result{.width = target.width, .height = target.height};
  result.planes.push_back(resample_plane(source.planes[0], source.width, source.height, target));
  if (source.planes.size() == 1) return result;

  const bool whole = source.chroma_divisor_x == 1 && source.chroma_divisor_y == 1;
  result.chroma_divisor_x = result.chroma_divisor_y = whole ? 1 : 2;
  const unsigned divisor = result.chroma_divisor_x;
  const dimensions chroma{(target.width + divisor - 1) / divisor, (target.height + divisor - 1) / divisor};
  for (std::size_t index = 1; index < source.planes.size(); ++index) {
    result.planes.push_back(resample_plane(source.planes[index],
                                           static_cast<double>(source.width) / source.chroma_divisor_x,
                                           static_cast<double>(source.height) / source.chroma_divisor_y, chroma));
  }
  return result;
}

picture resample_colours(const picture& source, double covered_width, double covered_height, dimensions target) {
  auto from = covered_bytes(source.planes[0], covered_width, covered_height);
  from.color_family = ZIMG_COLOR_RGB;
  from.matrix_coefficients = ZIMG_MATRIX_RGB;
  auto to = full_range_bytes(target.width, target.height);
  to.color_family = ZIMG_COLOR_YUV;
  to.matrix_coefficients = ZIMG_MATRIX_ST170_M;
  const auto graph = build_graph(from, to);
  return {.width = target.width, .height = target.height, .planes = process_planes(*graph, source.planes, target)};
}

std::size_t resampling_bytes(dimensions source, dimensions target) noexcept {
  // zimg keeps as many lines as its filter reaches over, of four bytes a sample, and a filter for each target row and
  // column. Lanczos reaches over six target lines.
  const auto lines_over = [](unsigned from, unsigned to) {
    return std::size_t{8} * (from / std::max(1u, to) + 2) + 16;
  };
  const std::size_t lines = lines_over(source.height, target.height);
  const std::size_t longest = std::max(source.width, target.width) + 64;
  const std::size_t filters = (std::size_t{source.width} + source.height + target.width + target.height) * 64;
  return lines * longest * 4 * 3 + filters;
}

picture make_upright(picture source, orientation held) {
  if (held == orientation::upright) return source;
  picture result = std::move(source);
  for (plane& each : result.planes) each = turn(each, held);
  if (swaps_sides(held)) {
    std::swap(result.width, result.height);
    std::swap(result.chroma_divisor_x, result.chroma_divisor_y);
  }
  return result;
}

}  // namespace gallery
