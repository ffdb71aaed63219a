// The switch for x86-64, System V calling convention.
//
// A saved flow is one stack pointer. What lies above it, lowest address first:
//
//    +0  MXCSR (4 bytes), x87 control word (2 bytes), unused (2 bytes)
//    +8  r15    +16  r14    +24  r13    +32  r12    +40  rbx    +48  rbp
//   +56  the address to go on at
//
// These are the registers that a called function must preserve, and no others. machine/x86_64.cpp builds the same
// frame for a flow that has not run yet.

#define CONTROL_WORDS 8
// The rounding, masking and flush bits of MXCSR, which a call preserves; its six lowest bits are status.
#define MXCSR_CONTROL 0xffc0

        .text

// void weft_stack_switch(void** save, void* load)
//
// The call frame information stays right across the move of the stack pointer, since the frame on the one stack
// looks like the frame on the other.
        .globl  weft_stack_switch
        .hidden weft_stack_switch
        .type   weft_stack_switch, @function
        .p2align 4
weft_stack_switch:
        .cfi_startproc
        endbr64
        pushq   %rbp
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbp, 0
        pushq   %rbx
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbx, 0
        pushq   %r12
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r12, 0
        pushq   %r13
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r13, 0
        pushq   %r14
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r14, 0
        pushq   %r15
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r15, 0
        subq    $CONTROL_WORDS, %rsp
        .cfi_adjust_cfa_offset CONTROL_WORDS
        stmxcsr (%rsp)
        fnstcw  4(%rsp)

        // Loading a control word drains the pipeline, so do it only where the two flows differ. Read back in the
        // widths in which they were written: the processor forwards no store to a wider load.
        movl    (%rsp), %eax
        movzwl  4(%rsp), %ecx
        movq    %rsp, (%rdi)
        xorl    (%rsi), %eax
        xorw    4(%rsi), %cx
        movq    %rsi, %rsp
        andl    $MXCSR_CONTROL, %eax
        orl     %ecx, %eax
        jne     .Ldifferent_control_words
.Lsame_control_words:
        .cfi_remember_state
        addq    $CONTROL_WORDS, %rsp
        .cfi_adjust_cfa_offset -CONTROL_WORDS
        popq    %r15
        .cfi_adjust_cfa_offset -8
        .cfi_same_value %r15
        popq    %r14
        .cfi_adjust_cfa_offset -8
        .cfi_same_value %r14
        popq    %r13
        .cfi_adjust_cfa_offset -8
        .cfi_same_value %r13
        popq    %r12
        .cfi_adjust_cfa_offset -8
        .cfi_same_value %r12
        popq    %rbx
        .cfi_adjust_cfa_offset -8
        .cfi_same_value %rbx
        popq    %rbp
        .cfi_adjust_cfa_offset -8
        .cfi_same_value %rbp
        ret

        .cfi_restore_state
.Ldifferent_control_words:
        ldmxcsr (%rsp)
        fldcw   4(%rsp)
        jmp     .Lsame_control_words
        .cfi_endproc
        .size   weft_stack_switch, . - weft_stack_switch

// Where a flow that has not run yet goes on: calls weft_stack_enter(rbx, r12). The stack pointer is a multiple of 16.
// The return address is undefined and rbp is zero, so that unwinders and debuggers stop here.
        .globl  weft_stack_bottom_frame
        .hidden weft_stack_bottom_frame
        .type   weft_stack_bottom_frame, @function
        .p2align 4
weft_stack_bottom_frame:
        .cfi_startproc
        .cfi_def_cfa %rsp, 0
        .cfi_undefined %rip
        endbr64
        movq    %rbx, %rdi
        movq    %r12, %rsi
        call    weft_stack_enter
        ud2
        .cfi_endproc
        .size   weft_stack_bottom_frame, . - weft_stack_bottom_frame

// Indirect branch tracking is kept. A shadow stack is not: this file has none to switch to.
        .section .note.gnu.property, "a"
        .p2align 3
        .long   4, 16, 5
        .asciz  "GNU"
        .long   0xc0000002, 4, 1, 0

        .section .note.GNU-stack, "", @progbits
