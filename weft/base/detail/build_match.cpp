#include <weft/base/detail/build_match.hpp>

// Each has the name of the complaint that its absence brings about.

namespace weft::build_match {

#if defined(WEFT_ADDRESS_SANITIZER)
const char the_program_is_built_with_fsanitize_address_and_weft_is_not = 0;
#else
const char weft_is_built_with_fsanitize_address_and_the_program_is_not = 0;
#endif
#if defined(WEFT_THREAD_SANITIZER)
const char the_program_is_built_with_fsanitize_thread_and_weft_is_not = 0;
#else
const char weft_is_built_with_fsanitize_thread_and_the_program_is_not = 0;
#endif

}  // namespace weft::build_match
