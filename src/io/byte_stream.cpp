#include <weft/io/byte_stream.hpp>

namespace weft {

result<void> byte_stream::send_all(std::span<const std::byte> from) {
  while (!from.empty()) {
    auto sent = send(from);
    if (!sent) return std::unexpected{sent.error()};
    from = from.subspan(*sent);
  }
  return {};
}

result<void> byte_stream::send_all(std::span<const std::span<const std::byte>> pieces) {
  for (auto piece : pieces) {
    if (auto sent = send_all(piece); !sent) return sent;
  }
  return {};
}

}  // namespace weft
