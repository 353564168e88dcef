# Completion for qsplit, qsplitd and qdlc, in bash. Names of devices, layouts and leases and locations of
# rules come from the daemon, if it answers.

_qsplit_command=(qsplit)

_qsplit_names() { # OBJECT [COLUMN [ARGUMENT]]: that column of what `qsplit OBJECT list` prints
    timeout 1 "${_qsplit_command[@]}" "$1" list ${3+"$3"} 2>/dev/null | awk -v c="${2:-1}" 'NR > 1 {print $c}'
}

_qsplit() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
    local -a words=() _qsplit_command=("${COMP_WORDS[0]}")
    local i skip=
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        if [[ $skip ]]; then
            [[ $skip = --runtime-dir ]] && _qsplit_command+=(--runtime-dir "${COMP_WORDS[i]}")
            skip=
            continue
        fi
        case ${COMP_WORDS[i]} in
            --runtime-dir | --interval | --count | --mtu | --promisc | --allmulti | --queues | --hkey | \
                --queue | --duration | --lease | --ring | --slots) skip=${COMP_WORDS[i]} ;;
            -*) ;;
            *) words+=("${COMP_WORDS[i]}") ;;
        esac
    done
    case $skip in
        --runtime-dir) COMPREPLY=($(compgen -d -- "$cur")); return ;;
        --promisc | --allmulti) COMPREPLY=($(compgen -W "on off" -- "$cur")); return ;;
        --lease) COMPREPLY=($(compgen -W "$(_qsplit_names lease)" -- "$cur")); return ;;
        ?*) return ;;
    esac

    local list=
    case ${#words[@]} in
        0) list="device layout lease region rule rss stats queue fault policy monitor --json --pretty --detail
                 --runtime-dir --help --version" ;;
        1)
            case ${words[0]} in
                device) list="list show set" ;;
                layout) list="list show emit check decode encode" ;;
                lease) list="list show revoke" ;;
                region) list="list" ;;
                rule) list="list add del" ;;
                rss) list="show set" ;;
                stats) list="show watch" ;;
                queue) list="why dump" ;;
                fault) list="inject" ;;
                policy) list="reload" ;;
                monitor) list="--count" ;;
            esac
            list+=" --help"
            ;;
        *)
            case "${words[0]} ${words[1]} ${#words[@]}" in
                "device show 2" | "device set 2" | "rule list 2" | "rule add 2" | "rule del 2" | \
                    "rss show 2" | "rss set 2" | "stats show 2" | "stats watch 2" | "fault inject 2" | "queue why 2" | "queue dump 2")
                    list=$(_qsplit_names device) ;;
                "layout show 2" | "layout emit 3" | "layout decode 2" | "layout encode 2")
                    list=$(_qsplit_names layout) ;;
                "layout emit 2") list="text diagram qdl format json svg c++ c bpf kaitai html" ;;
                "layout check 2") COMPREPLY=($(compgen -f -- "$cur")); return ;;
                "lease show 2" | "lease revoke 2") list=$(_qsplit_names lease) ;;
                "rule del 3") list=$(_qsplit_names rule 2 "${words[2]}") ;;
                "rule add 3") list="flow-type" ;;
                "rule add "*)
                    case $prev in
                        flow-type) list="ether ip4 tcp4 udp4 sctp4 ah4 esp4 ip6 tcp6 udp6 sctp6 ah6 esp6" ;;
                        action) list="drop pass reflect" ;;
                        src | dst | proto | src-ip | dst-ip | tos | tclass | l4proto | l4data | src-port | \
                            dst-port | spi | vlan | vlan-etype | dst-mac | m | queue | loc) ;;
                        *) list="src dst proto src-ip dst-ip tos tclass l4proto l4data src-port dst-port spi
                                 vlan vlan-etype dst-mac m action queue loc" ;;
                    esac
                    ;;
                "fault inject 3") list="link-down stall-queue lose-completion repeat-completion
                                        delay-completion wrong-length" ;;
            esac
            [[ $cur != -* && $list ]] || case "${words[0]} ${words[1]}" in
                "rule add") ((${#words[@]} > 2)) || list+=" --lease" ;;
                "device set") list+=" --mtu --promisc --allmulti" ;;
                "rss set") list+=" --queues --default --hkey" ;;
                "stats watch") list+=" --interval --count" ;;
                "queue why") list+=" --tx" ;;
                "queue dump") list+=" --tx --ring --slots" ;;
                "fault inject") list+=" --queue --tx --count --duration" ;;
            esac
            ;;
    esac
    COMPREPLY=($(compgen -W "$list" -- "$cur"))
}

_qsplitd() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
    case $prev in
        --config) COMPREPLY=($(compgen -f -- "$cur")) ;;
        --runtime-dir | --layouts) COMPREPLY=($(compgen -d -- "$cur")) ;;
        --log-level) COMPREPLY=($(compgen -W "trace debug info warning error" -- "$cur")) ;;
        --log-format) COMPREPLY=($(compgen -W "text json" -- "$cur")) ;;
        --ready-fd) COMPREPLY=() ;;
        *) COMPREPLY=($(compgen -W "--config --runtime-dir --layouts --log-level --log-format --ready-fd
                                    --check --clean --version --help" -- "$cur")) ;;
    esac
}

_qdlc() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
    case $prev in
        --emit) COMPREPLY=($(compgen -W "layout text diagram qdl format json svg c++ c bpf kaitai html roles" -- "$cur")) ;;
        --explain) COMPREPLY=() ;;
        -o | --output) COMPREPLY=($(compgen -f -- "$cur")) ;;
        *)
            case $cur in
                -*) COMPREPLY=($(compgen -W "--output --emit --check --explain --help" -- "$cur")) ;;
                *) COMPREPLY=($(compgen -d -- "$cur") $(compgen -f -X '!*.qdl' -- "$cur")) ;;
            esac
            ;;
    esac
}

complete -F _qsplit qsplit
complete -o filenames -F _qsplitd qsplitd
complete -o filenames -F _qdlc qdlc
