// Where a flow that has not run yet goes on: takes entry and argument from its stack and calls weft_stack_enter(). The
// stack pointer is then a multiple of 16, rbp is zero and the return address undefined, so that unwinders and debuggers
// stop here.

        .text
        .globl  weft_stack_bottom_frame
        .hidden weft_stack_bottom_frame
        .type   weft_stack_bottom_frame, @function
        .p2align 4
weft_stack_bottom_frame:
        .cfi_startproc
        .cfi_def_cfa %rsp, 16
        .cfi_undefined %rip
        endbr64
        popq    %rdi
        .cfi_adjust_cfa_offset -8
        popq    %rsi
        .cfi_adjust_cfa_offset -8
        call    weft_stack_enter
        ud2
        .cfi_endproc
        .size   weft_stack_bottom_frame, . - weft_stack_bottom_frame

// Indirect branch tracking is kept. A shadow stack is not: flows have none to switch to.
        .section .note.gnu.property, "a"
        .p2align 3
        .long   4, 16, 5
        .asciz  "GNU"
        .long   0xc0000002, 4, 1, 0

        .section .note.GNU-stack, "", @progbits
