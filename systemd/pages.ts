// The completion for bash and the manual page, made from what `nodelet --help` says: they cannot tell anything else.
import { join } from 'node:path';
import { run } from '../host/commands.ts';

export interface Verb {
  /** "up", "token create"; empty for the command itself. */
  readonly name: string;
  readonly help: string;
  /** "--data-dir", in the order of the help. */
  readonly flags: readonly string[];
  readonly verbs: readonly string[];
}

/** Asks the command for its verbs, and each verb for its own. */
export async function verbsOf(root: string): Promise<Verb[]> {
  const ask = async (name: string): Promise<Verb[]> => {
    const words = name === '' ? [] : name.split(' ');
    // The parts take all flags for their own, `--help` too; `help` knows the first word only.
    const asking = words.length > 1 ? [...words, '--help'] : ['help', ...words];
    const { stdout } = await run(process.execPath, [join(root, 'dist/nodelet.cjs'), ...asking]);
    const verb = readHelp(name, stdout);
    const deeper: Verb[] = [];
    for (const one of verb.verbs) if (one !== 'help') deeper.push(...(await ask(`${name} ${one}`.trim())));
    return [verb, ...deeper];
  };
  return ask('');
}

/** Reads one help text: its options and its commands, each on a line of its own. */
export function readHelp(name: string, help: string): Verb {
  const commands = help.split(/^Commands:$/m)[1] ?? '';
  const verbs = [...commands.matchAll(/^ {2}([a-z][-a-z]*)/gm)].map(([, verb = '']) => verb);
  const flags = [...help.matchAll(/^ {2}(?:-\w, )?(--[a-z][-a-z]*)/gm)].map(([, flag = '']) => flag);
  return { name, help, flags, verbs };
}

export function renderCompletion(verbs: readonly Verb[]): string {
  const cases = verbs.map(
    ({ name, flags, verbs: below }) => `    '${name}') words='${[...below, ...flags].join(' ')}' ;;`,
  );
  return `# bash completion of nodelet
_nodelet() {
  local path='' word words=''
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in -*) ;; *) path="\${path:+$path }$word" ;; esac
  done
  case $path in
${cases.join('\n')}
  esac
  if [ -z "$words" ]; then
    COMPREPLY=($(compgen -f -- "\${COMP_WORDS[COMP_CWORD]}"))
  else
    COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
  fi
}
complete -o default -F _nodelet nodelet
`;
}

/** Text as roff prints it literally. */
const literal = (text: string): string =>
  text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^([.'])/gm, '\\&$1');

export function renderManPage(verbs: readonly Verb[]): string {
  const sections = verbs.map(({ name, help }) =>
    [`.SS "nodelet${name === '' ? '' : ` ${name}`}"`, '.nf', literal(help.trimEnd()), '.fi'].join('\n'),
  );
  return `.TH NODELET 1
.SH NAME
nodelet \\- a Kubernetes node on Docker Engine
.SH SYNOPSIS
.B nodelet
.I verb
.RI [ flags ]
.SH DESCRIPTION
A kubelet on Docker Engine, a service proxy on iptables, a bridge CNI plugin and a small control plane.
As services of systemd they are nodelet\\-controlplane, nodelet\\-kubelet and nodelet\\-proxy.
.SH VERBS
${sections.join('\n')}
.SH FILES
.TP
.I /etc/nodelet
Settings: controlplane.yaml, kubelet.yaml, proxy.yaml; and what \\fBnodelet join\\fR writes.
.TP
.I /var/lib/nodelet
State: the control plane's store, certificates, the volumes of pods. admin.conf is the administrator's kubeconfig.
.TP
.I /etc/cni/net.d, /opt/cni/bin
Network configuration, and plugins.
.SH SEE ALSO
.BR docker (1),
.BR kubectl (1),
.BR systemctl (1)
`;
}
