# Made by `make completions` from the commands' own parsers.

_lightkeeper() {
    local current=${COMP_WORDS[COMP_CWORD]} word command='' words
    COMPREPLY=()
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case $word in run|once|check|status|renew|withdraw|schema|demo|simulator|version) command=$word && break ;; esac
    done
    case ${COMP_WORDS[COMP_CWORD - 1]} in
        --config|--containers-auth|--docker-config|--htpasswd|--socket)
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
            return ;;
        --dir|--state-dir|--tls)
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -d -- "$current")
            return ;;
        --endpoint-url|--file-mode|--host|--lifetime|--listen|--log-format|--log-level|--port|--profile|--region|--registry|--role-arn) return ;;
    esac
    case $command in
        run) words="--help --config --region --profile --role-arn --endpoint-url --docker-config --containers-auth --file-mode --listen --state-dir --socket --log-level --log-format" ;;
        once) words="--help --config --region --profile --role-arn --endpoint-url --docker-config --containers-auth --file-mode --listen --state-dir --socket --log-level --log-format" ;;
        check) words="--help --online --config --region --profile --role-arn --endpoint-url --docker-config --containers-auth --file-mode --listen --state-dir --socket --log-level --log-format" ;;
        status) words="--help --json --config --region --profile --role-arn --endpoint-url --docker-config --containers-auth --file-mode --listen --state-dir --socket --log-level --log-format" ;;
        renew) words="--help --socket --config" ;;
        withdraw) words="--help --config --region --profile --role-arn --endpoint-url --docker-config --containers-auth --file-mode --listen --state-dir --socket --log-level --log-format" ;;
        schema) words="--help --example" ;;
        demo) words="--help --dir --listen --lifetime --plain" ;;
        simulator) words="--help --host --port --region --lifetime --ends-predecessor --registry --htpasswd --tls --list-faults" ;;
        version) words="--help" ;;
        *) words="run once check status renew withdraw schema demo simulator version --help --version" ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -F _lightkeeper lightkeeper
