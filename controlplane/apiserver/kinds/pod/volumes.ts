// Checks a pod's volumes. Pure.
import { type Cause, isObject, type JsonObject, list, object as objectOf, text } from '../../model.ts';
import { duplicate, forbiddenField, invalidValue, nameProblems, notSupported, required } from '../../rules/names.ts';

export interface VolumeReading {
  readonly causes: Cause[];
  readonly names: ReadonlySet<string>;
}

const hostPathTypes = [
  '',
  'DirectoryOrCreate',
  'Directory',
  'FileOrCreate',
  'File',
  'Socket',
  'CharDevice',
  'BlockDevice',
];

/** A path inside a volume: relative, and never upwards. */
function itemPathCauses(value: unknown, path: string): Cause[] {
  const where = text(value);
  if (where === '') return [required(path)];
  if (where.startsWith('/')) return [invalidValue(path, where, 'must be a relative path')];
  const steps = where.split('/');
  if (steps.includes('..')) return [invalidValue(path, where, "must not contain '..'")];
  return steps[0]?.startsWith('..') ? [invalidValue(path, where, "must not start with '..'")] : [];
}

function itemsCauses(items: unknown, path: string): Cause[] {
  return list(items).flatMap((item, index) => [
    ...(item['key'] ? [] : [required(`${path}[${index}].key`)]),
    ...itemPathCauses(item['path'], `${path}[${index}].path`),
  ]);
}

function modeCauses(mode: unknown, path: string): Cause[] {
  const fits = mode === undefined || (Number(mode) >= 0 && Number(mode) <= 0o777);
  return fits ? [] : [invalidValue(path, mode, 'must be a number between 0 and 0777 (octal), both inclusive')];
}

/** Checks of single sources; a source that is not named here is taken as it is. */
const sources: Readonly<Record<string, (source: JsonObject, path: string) => Cause[]>> = {
  hostPath: (source, path) => [
    ...(source['path'] ? [] : [required(`${path}.path`)]),
    ...(text(source['path']).split('/').includes('..')
      ? [invalidValue(`${path}.path`, source['path'], "must not contain '..'")]
      : []),
    ...(hostPathTypes.includes(text(source['type']))
      ? []
      : [notSupported(`${path}.type`, source['type'], hostPathTypes)]),
  ],
  secret: (source, path) => [
    ...(source['secretName'] ? [] : [required(`${path}.secretName`)]),
    ...modeCauses(source['defaultMode'], `${path}.defaultMode`),
    ...itemsCauses(source['items'], `${path}.items`),
  ],
  configMap: (source, path) => [
    ...(source['name'] ? [] : [required(`${path}.name`)]),
    ...modeCauses(source['defaultMode'], `${path}.defaultMode`),
    ...itemsCauses(source['items'], `${path}.items`),
  ],
  persistentVolumeClaim: (source, path) => (source['claimName'] ? [] : [required(`${path}.claimName`)]),
  nfs: (source, path) => [
    ...(source['server'] ? [] : [required(`${path}.server`)]),
    ...(source['path'] ? [] : [required(`${path}.path`)]),
  ],
  downwardAPI: (source, path) => [
    ...modeCauses(source['defaultMode'], `${path}.defaultMode`),
    ...list(source['items']).flatMap((item, index) => itemPathCauses(item['path'], `${path}.items[${index}].path`)),
  ],
  projected: (source, path) => [
    ...modeCauses(source['defaultMode'], `${path}.defaultMode`),
    ...list(source['sources']).flatMap((one, index) => projectedCauses(one, `${path}.sources[${index}]`)),
  ],
};

function projectedCauses(one: JsonObject, path: string): Cause[] {
  const token = one['serviceAccountToken'];
  if (!isObject(token)) return [];
  const seconds = Number(token['expirationSeconds'] ?? 3600);
  return [
    ...itemPathCauses(token['path'], `${path}.serviceAccountToken.path`),
    ...(seconds < 600
      ? [
          invalidValue(
            `${path}.serviceAccountToken.expirationSeconds`,
            seconds,
            'may not specify a duration less than 10 minutes',
          ),
        ]
      : []),
  ];
}

function sourceCauses(volume: JsonObject, path: string): Cause[] {
  const named = Object.keys(volume).filter((name) => name !== 'name' && isObject(volume[name]));
  const [first, ...rest] = named;
  if (first === undefined) return [required(path, 'must specify a volume type')];
  const extra = rest.map((name) => forbiddenField(`${path}.${name}`, 'may not specify more than 1 volume type'));
  return [...(sources[first]?.(objectOf(volume[first]), `${path}.${first}`) ?? []), ...extra];
}

export function volumeCauses(volumes: unknown, path: string): VolumeReading {
  const names = new Set<string>();
  const causes = list(volumes).flatMap((volume, index) => {
    const at = `${path}[${index}]`;
    const name = text(volume['name']);
    const isRepeated = name !== '' && names.has(name);
    names.add(name);
    return [
      ...(name === ''
        ? [required(`${at}.name`)]
        : nameProblems(name, 'label').map((problem) => invalidValue(`${at}.name`, name, problem))),
      ...(isRepeated ? [duplicate(`${at}.name`, name)] : []),
      ...sourceCauses(volume, at),
    ];
  });
  names.delete('');
  return { causes, names };
}
