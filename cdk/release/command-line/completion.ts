/** Completions of a program's commands and options for bash, zsh and fish, made of its own option table. */

import type { Completions } from '../packages/contents.ts';
import { type CommandLineSpec, commandSummary, commandWords, type OptionSpec } from './spec.ts';

export function completionsOf(spec: CommandLineSpec): Completions {
  return { bash: bashCompletion(spec), zsh: zshCompletion(spec), fish: fishCompletion(spec) };
}

/** Each option's words: `--dry-run`, `-q`. */
function wordsOf(name: string, { short }: OptionSpec): string[] {
  return short === undefined ? [`--${name}`] : [`--${name}`, `-${short}`];
}

function optionWords({ options }: CommandLineSpec, names: readonly string[]): string[] {
  return names.flatMap((name) => wordsOf(name, options[name] ?? { type: 'string' }));
}

const valueOptions = (spec: CommandLineSpec) =>
  Object.entries(spec.options)
    .filter(([, { type }]) => type === 'string')
    .flatMap(([name, option]) => wordsOf(name, option));

/** A function of sh, which bash and zsh share: the words that may follow a command and its verb. */
function wordsFunction(spec: CommandLineSpec): string {
  const verbsOf = commandWords(spec);
  // Verbs first: what has none of its own takes every second word.
  const commands = Object.entries(spec.takenBy).sort(([a], [b]) => b.split(' ').length - a.split(' ').length);
  const cases = commands.map(([command, names]) => {
    const words = optionWords(spec, names).join(' ');
    const verbs = verbsOf.get(command)?.join(' ') ?? '';
    if (command.includes(' ')) return `    '${command}') echo '${words}' ;;`;
    const verbCase = verbs === '' ? '' : `    '${command} ') echo '${verbs} ${words}' ;;\n`;
    return `${verbCase}    '${command} '*) echo '${words}' ;;`;
  });
  return `${functionName(spec)}_words() {
  case "$1 $2" in
    ' ') echo '${[...verbsOf.keys()].join(' ')}' ;;
${cases.join('\n')}
  esac
}`;
}

const functionName = ({ program }: CommandLineSpec) => `_${program.replaceAll('-', '_')}`;

function bashCompletion(spec: CommandLineSpec): string {
  const name = functionName(spec);
  return `# bash completion for ${spec.program}; made from its option table
${wordsFunction(spec)}
${name}() {
  local word=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]} command= verb= index
  COMPREPLY=()
  case "$previous" in
    ${valueOptions(spec).join('|')})
      compopt -o default 2>/dev/null
      return ;;
  esac
  for ((index = 1; index < COMP_CWORD; index++)); do
    case "\${COMP_WORDS[index]}" in
      ${valueOptions(spec).join('|')}) ((index++)) ;;
      -*) ;;
      *) if [ -z "$command" ]; then command=\${COMP_WORDS[index]}; elif [ -z "$verb" ]; then verb=\${COMP_WORDS[index]}; fi ;;
    esac
  done
  COMPREPLY=($(compgen -W "$(${name}_words "$command" "$verb")" -- "$word"))
  case "$word" in -*) ;; *) [ -z "$command" ] || compopt -o default 2>/dev/null ;; esac
}
complete -F ${name} ${spec.program}
`;
}

function zshCompletion(spec: CommandLineSpec): string {
  const name = functionName(spec);
  return `#compdef ${spec.program}
# zsh completion for ${spec.program}; made from its option table
${wordsFunction(spec)}
${name}() {
  local command= verb= index
  case "\${words[CURRENT - 1]}" in
    ${valueOptions(spec).join('|')})
      _files
      return ;;
  esac
  for ((index = 2; index < CURRENT; index++)); do
    case "\${words[index]}" in
      ${valueOptions(spec).join('|')}) ((index++)) ;;
      -*) ;;
      *) if [ -z "$command" ]; then command=\${words[index]}; elif [ -z "$verb" ]; then verb=\${words[index]}; fi ;;
    esac
  done
  compadd -- \${=$(${name}_words "$command" "$verb")}
  [ -z "$command" ] || _files
}
${name} "$@"
`;
}

function fishCompletion(spec: CommandLineSpec): string {
  const { program } = spec;
  const commands = [...commandWords(spec)];
  const lines = commands.flatMap(([command, verbs]) => {
    const begins = `complete -c ${program} -f -n __fish_use_subcommand -a ${command}`;
    const summary = commandSummary(spec, command);
    const verbLines = verbs.map(
      (verb) => `complete -c ${program} -f -n '__fish_seen_subcommand_from ${command}' -a ${verb}`,
    );
    return [summary === '' ? begins : `${begins} -d ${quoted(summary)}`, ...verbLines];
  });
  const options = Object.entries(spec.options).flatMap(([name, { type, short }]) => {
    const takers = Object.keys(spec.takenBy).filter((command) => spec.takenBy[command]?.includes(name));
    const names = [...new Set(takers.map((command) => command.split(' ')[0]))];
    const condition = `-n '__fish_seen_subcommand_from ${names.join(' ')}'`;
    const value = type === 'string' ? ' -r' : '';
    const letter = short === undefined ? '' : ` -s ${short}`;
    return names.length === 0 ? [] : [`complete -c ${program} ${condition} -l ${name}${letter}${value}`];
  });
  return `# fish completion for ${program}; made from its option table\n${[...lines, ...options].join('\n')}\n`;
}

const quoted = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
