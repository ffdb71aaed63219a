#include <weft/base/error.hpp>

int main() { return make_error_code(weft::errc::closed).value() == 0 ? 1 : 0; }
