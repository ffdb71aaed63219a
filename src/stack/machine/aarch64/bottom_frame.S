// Where a flow that has not run yet goes on: takes entry and argument from its stack and calls weft_stack_enter(). The
// stack pointer is then a multiple of 16, x29 is zero and the return address undefined, so that unwinders and debuggers
// stop here.

        .text
        .globl  weft_stack_bottom_frame
        .hidden weft_stack_bottom_frame
        .type   weft_stack_bottom_frame, %function
        .p2align 4
weft_stack_bottom_frame:
        .cfi_startproc
        .cfi_def_cfa sp, 16
        .cfi_undefined x30
        hint    #36                     // bti j
        ldp     x0, x1, [sp], #16
        .cfi_def_cfa_offset 0
        mov     x30, #0
        bl      weft_stack_enter
        brk     #0
        .cfi_endproc
        .size   weft_stack_bottom_frame, . - weft_stack_bottom_frame

// Branch target identification is kept.
        .section .note.gnu.property, "a"
        .p2align 3
        .long   4, 16, 5
        .asciz  "GNU"
        .long   0xc0000000, 4, 1, 0

        .section .note.GNU-stack, "", %progbits
