// Where a flow that has not run yet goes on: takes entry and argument from its stack and calls weft_stack_enter(). The
// stack pointer is then a multiple of 16, x29 is zero and the return address undefined, so that unwinders and debuggers
// stop here.

        .text
        .globl  weft_stack_bottom_frame
        .hidden weft_stack_bottom_frame
        .type   weft_stack_bottom_frame, %function
        .p2align 4
        .cfi_startproc
        .cfi_def_cfa sp, 16
        .cfi_undefined x30
        nop                             // unwinders look up what lies before the address to go on at
weft_stack_bottom_frame:
        hint    #36                     // bti j
        ldp     x0, x1, [sp], #16
        .cfi_def_cfa_offset 0
        mov     x30, #0
        bl      weft_stack_enter
        brk     #0
        .cfi_endproc
        .size   weft_stack_bottom_frame, . - weft_stack_bottom_frame

// void weft_stack_call_below(void (*call)(void*), void* argument, const saved_flow* parked)
//
// Runs call(argument) on the stack that it is on, and tells unwinders that its caller is the parked flow: the caller's
// stack pointer, address and x29 are those that saved_flow holds at 0, 8 and 16, found through x19.
        .globl  weft_stack_call_below
        .hidden weft_stack_call_below
        .type   weft_stack_call_below, %function
        .p2align 4
weft_stack_call_below:
        .cfi_startproc
        hint    #34                     // bti c
        stp     x19, x30, [sp, #-16]!
        .cfi_adjust_cfa_offset 16
        .cfi_rel_offset x19, 0
        .cfi_rel_offset x30, 8
        mov     x9, x0
        mov     x0, x1
        mov     x19, x2
        .cfi_remember_state
        .cfi_escape 0x0f, 3, 0x83, 0, 0x06      // the canonical frame address is what (x19 + 0) holds
        .cfi_escape 0x10, 30, 2, 0x83, 8        // x30 was saved at x19 + 8
        .cfi_escape 0x10, 29, 2, 0x83, 16       // x29 was saved at x19 + 16
        blr     x9
        .cfi_restore_state
        ldp     x19, x30, [sp], #16
        .cfi_adjust_cfa_offset -16
        .cfi_same_value x19
        .cfi_same_value x30
        ret
        .cfi_endproc
        .size   weft_stack_call_below, . - weft_stack_call_below

// Branch target identification is kept.
        .section .note.gnu.property, "a"
        .p2align 3
        .long   4, 16, 5
        .asciz  "GNU"
        .long   0xc0000000, 4, 1, 0

        .section .note.GNU-stack, "", %progbits
