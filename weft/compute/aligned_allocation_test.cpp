// The same with Clang's -fcoro-aligned-allocation, which tells how a frame is aligned.
#define WEFT_TEST_CORO_ALIGNED_ALLOCATION
#include "weft/compute/alignment_test.cpp"
