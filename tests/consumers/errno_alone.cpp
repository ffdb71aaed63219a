// A source that includes nothing of weft's: the folders it is compiled with make errno that of the task.
#include <errno.h>

#include <string_view>

#define TEXT_OF(x) #x
#define EXPANDED(x) TEXT_OF(x)

static_assert(std::string_view{EXPANDED(errno)}.find("weft_errno_location") != std::string_view::npos);

int last_error() { return errno; }
