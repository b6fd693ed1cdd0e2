# Made by `make completions` from the commands' own parsers.

_lightkeeper() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local word command='' words
    COMPREPLY=()
    # In --config=FILE the sign is a word of its own.
    [[ $current == = ]] && current=''
    [[ $previous == = ]] && previous=${COMP_WORDS[COMP_CWORD - 2]}
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case $word in run|once|check|status|renew|withdraw|schema|demo|simulator|version) command=$word && break ;; esac
    done
    case $previous in
        --config|--containers-auth|--docker-config|--htpasswd|--seed|--socket)
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
            return ;;
        --dir|--state-dir|--tls)
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -d -- "$current")
            return ;;
        --log-level)
            mapfile -t COMPREPLY < <(compgen -W "debug info warning error" -- "$current")
            return ;;
        --log-format)
            mapfile -t COMPREPLY < <(compgen -W "auto console json" -- "$current")
            return ;;
        --endpoint-url|--file-mode|--host|--kubernetes-secret|--lease|--lifetime|--listen|--port|--profile|--region|--registry|--role-arn|--state-secret) return ;;
    esac
    case $command in
        run) words="--help --config --region --profile --role-arn --endpoint-url --docker-config --containers-auth --kubernetes-secret --file-mode --seed --listen --state-dir --state-secret --lease --socket --log-level --log-format" ;;
        once) words="--help --config --region --profile --role-arn --endpoint-url --docker-config --containers-auth --kubernetes-secret --file-mode --seed --listen --state-dir --state-secret --lease --socket --log-level --log-format" ;;
        check) words="--help --online --rbac --config --region --profile --role-arn --endpoint-url --docker-config --containers-auth --kubernetes-secret --file-mode --seed --listen --state-dir --state-secret --lease --socket --log-level --log-format" ;;
        status) words="--help --places --json --config --region --profile --role-arn --endpoint-url --docker-config --containers-auth --kubernetes-secret --file-mode --seed --listen --state-dir --state-secret --lease --socket --log-level --log-format" ;;
        renew) words="--help --socket --config --state-dir" ;;
        withdraw) words="--help --config --region --profile --role-arn --endpoint-url --docker-config --containers-auth --kubernetes-secret --file-mode --seed --listen --state-dir --state-secret --lease --socket --log-level --log-format" ;;
        schema) words="--help --example" ;;
        demo) words="--help --dir --listen --lifetime --plain" ;;
        simulator) words="--help --host --port --region --lifetime --ends-predecessor --registry --htpasswd --tls --list-faults" ;;
        version) words="--help" ;;
        *) words="run once check status renew withdraw schema demo simulator version --help --version" ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -F _lightkeeper lightkeeper
