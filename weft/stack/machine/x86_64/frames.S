// Where a flow that has not run yet goes on: takes entry and argument from its stack and calls weft_stack_enter(). The
// stack pointer is then a multiple of 16, rbp is zero and the return address undefined, so that unwinders and debuggers
// stop here.

        .text
        .globl  weft_stack_bottom_frame
        .hidden weft_stack_bottom_frame
        .type   weft_stack_bottom_frame, @function
        .p2align 4
        .cfi_startproc
        .cfi_def_cfa %rsp, 16
        .cfi_undefined %rip
        nop                             // unwinders look up what lies before the address to go on at
weft_stack_bottom_frame:
        endbr64
        popq    %rdi
        .cfi_adjust_cfa_offset -8
        popq    %rsi
        .cfi_adjust_cfa_offset -8
        call    weft_stack_enter
        ud2
        .cfi_endproc
        .size   weft_stack_bottom_frame, . - weft_stack_bottom_frame

// void weft_stack_call_below(void (*call)(void*), void* argument, const saved_flow* parked)
//
// Runs call(argument) on the stack that it is on, and tells unwinders that its caller is the parked flow: the caller's
// stack pointer, address and rbp are those that saved_flow holds at 0, 8 and 16, found through rbx.
        .globl  weft_stack_call_below
        .hidden weft_stack_call_below
        .type   weft_stack_call_below, @function
        .p2align 4
weft_stack_call_below:
        .cfi_startproc
        endbr64
        pushq   %rbx
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbx, 0
        movq    %rdi, %rax
        movq    %rsi, %rdi
        movq    %rdx, %rbx
        .cfi_remember_state
        .cfi_escape 0x0f, 3, 0x73, 0, 0x06      // the canonical frame address is what (rbx + 0) holds
        .cfi_escape 0x10, 16, 2, 0x73, 8        // rip was saved at rbx + 8
        .cfi_escape 0x10, 6, 2, 0x73, 16        // rbp was saved at rbx + 16
        call    *%rax
        .cfi_restore_state
        popq    %rbx
        .cfi_adjust_cfa_offset -8
        .cfi_same_value %rbx
        ret
        .cfi_endproc
        .size   weft_stack_call_below, . - weft_stack_call_below

// Indirect branch tracking is kept. A shadow stack is not: flows have none to switch to.
        .section .note.gnu.property, "a"
        .p2align 3
        .long   4, 16, 5
        .asciz  "GNU"
        .long   0xc0000002, 4, 1, 0

        .section .note.GNU-stack, "", @progbits
