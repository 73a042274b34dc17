/**
 * What the shells source. Each hands the words to the cursor to `mounter completion --offer`, and shows what that says:
 * see offerText of offer.ts.
 */

/** bash has taken the words apart at `=` and `:`, and replaces the last part alone; so the line is read again here. */
const bash = `# Completion of mounter for bash: source <(mounter completion bash)
_mounter() {
  local line=\${COMP_LINE:0:COMP_POINT} words=() offers=() offer word part
  read -ra words <<<"$line"
  [[ $line == *[[:blank:]] ]] && words+=('')
  word=\${words[-1]}
  part=\${word##*["$COMP_WORDBREAKS"]}
  mapfile -t offers < <("\${words[0]/#\\~/$HOME}" completion --offer -- "\${words[@]:1}" 2>/dev/null)
  COMPREPLY=()
  for offer in "\${offers[@]}"; do
    case $offer in
      :files) compopt -o filenames && mapfile -t -O "\${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$part") ;;
      :directories) compopt -o filenames && mapfile -t -O "\${#COMPREPLY[@]}" COMPREPLY < <(compgen -d -- "$part") ;;
      *)
        offer=\${offer%%$'\\t'*}
        COMPREPLY+=("\${offer:\${#word}-\${#part}}")
        ;;
    esac
  done
  # What is to go on behind a "=" has no blank after it.
  [[ \${#COMPREPLY[@]} == 1 && \${COMPREPLY[0]} == *= ]] && compopt -o nospace
  return 0
}
complete -F _mounter mounter
`;

const zsh = `#compdef mounter
# Completion of mounter for zsh: source <(mounter completion zsh), after compinit
_mounter() {
  local -a offers described
  local offer
  # A variable in it is expanded below; a command in it is not run before somebody wants it to.
  [[ $words[1] == *['\`(']* ]] && return 1
  offers=("\${(@f)$("\${(e)words[1]/#\\~/$HOME}" completion --offer -- "\${(@)words[2,CURRENT-1]}" "$PREFIX" 2>/dev/null)}")
  for offer in $offers; do
    case $offer in
      :files) compset -P '*='; _files ;;
      :directories) compset -P '*='; _files -/ ;;
      *) described+=("\${\${offer%%$'\\t'*}//:/\\\\:}:\${offer#*$'\\t'}") ;;
    esac
  done
  (( \${#described} )) && _describe -t mounter mounter described
}
if [[ $funcstack[1] == _mounter ]]; then _mounter "$@"; else compdef _mounter mounter; fi
`;

const fish = `# Completion of mounter for fish: mounter completion fish | source
function __mounter_offer
    set -l words (commandline --tokenize --current-process --cut-at-cursor)
    set -l current (commandline --current-token --cut-at-cursor)
    set -l flag (string match --regex -- '^--[^=]+=' $current)
    set -l path (string replace -- "$flag" '' $current)
    for offer in ($words[1] completion --offer -- $words[2..-1] "$current" 2>/dev/null)
        switch $offer
            case :files
                __fish_complete_path $path | string replace --regex -- '^' "$flag"
            case :directories
                __fish_complete_directories $path '' | string replace --regex -- '^' "$flag"
            case '*'
                echo $offer
        end
    end
end
complete --command mounter --no-files --arguments '(__mounter_offer)'
`;

export const scripts = { bash, zsh, fish } as const;
