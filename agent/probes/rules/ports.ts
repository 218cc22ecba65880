// Ports and commands of probes, as the spec means them.
import type { Container } from '../../../kube/types.ts';

/** A number, the name of one of the container's ports, or a number in quotes. Throws a RangeError for anything else. */
export function probePort(port: number | string, { ports = [] }: Container): number {
  const number =
    typeof port === 'number' ? port : (ports.find(({ name }) => name === port)?.containerPort ?? Number(port));
  if (Number.isNaN(number)) throw new RangeError(`strconv.Atoi: parsing ${JSON.stringify(port)}: invalid syntax`);
  if (!Number.isInteger(number) || number < 1 || number > 65_535)
    throw new RangeError(`invalid port number: ${number}`);
  return number;
}

/** $(NAME) becomes the value that the container's own `env` gives literally; $$ is a dollar; all else stays. */
export function expandCommand(command: readonly string[], { env = [] }: Container): readonly string[] {
  const values = new Map(env.filter(({ value }) => value !== undefined).map(({ name, value = '' }) => [name, value]));
  return command.map((word) =>
    word.replace(/\$\$|\$\(([^)]*)\)/g, (whole, name: string | undefined) =>
      name === undefined ? '$' : (values.get(name) ?? whole),
    ),
  );
}
