#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include <weft/base/result.hpp>

namespace weft::http::detail {

/// Takes the chunked coding off a body (RFC 9112, 7.1). Chunk extensions and the trailer are checked and dropped.
class chunked_decoder {
 public:
  /// `max_body_bytes` bounds the chunks' sizes in sum.
  explicit chunked_decoder(std::uint64_t max_body_bytes);
  ~chunked_decoder();
  chunked_decoder(chunked_decoder&&) noexcept;
  chunked_decoder& operator=(chunked_decoder&&) noexcept;

  struct progress {
    std::size_t consumed = 0;  ///< bytes of the input that are done with
    std::size_t produced = 0;  ///< bytes written to the output
  };

  /// Decodes some of `from` into `into`, which is not empty. When nothing was produced and finished() is false, it has
  /// to be called again with what it left unconsumed and more behind it. Fails with errc::malformed or
  /// errc::too_large, then always again.
  [[nodiscard]] result<progress> decode(std::string_view from, std::span<std::byte> into);

  /// The last chunk and the trailer have been consumed.
  [[nodiscard]] bool finished() const noexcept;

 private:
  class parser;
  std::unique_ptr<parser> parser_;
};

}  // namespace weft::http::detail
