#include "weft/io/detail/reactor.hpp"

namespace weft::io {

result<std::unique_ptr<reactor>> make_io_uring_reactor() { return failure(errc::unavailable); }

}  // namespace weft::io
