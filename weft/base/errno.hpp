#pragma once

// errno as <errno.h> of weft's include folder has it, for translation units that are compiled without that folder: it
// is the same whichever of the two comes first. See <weft/base/libc/errno.h>.

#include <cerrno>

#include <weft/base/libc/errno.h>
