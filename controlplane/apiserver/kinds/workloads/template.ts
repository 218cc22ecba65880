// What all workloads share: their pod template, their selector and the columns about both. Pure.
import { formatSelector, type LabelSelectorObject, matchesLabels, selectorOf } from '../../../../kube/selectors.ts';
import {
  type ApiObject,
  at,
  type Cause,
  isObject,
  type JsonObject,
  list,
  object as objectOf,
  text,
} from '../../model.ts';
import { forbiddenField, invalidValue, keyProblems, labelCauses, notSupported, required } from '../../rules/names.ts';
import { sameJson } from '../../rules/patch/merge.ts';
import type { Column } from '../kind.ts';
import { defaultPodSpec } from '../pod/defaults.ts';
import { podSpecCauses } from '../pod/validation.ts';

/** The template of an object, filled in as a pod's spec is. */
export function defaultTemplate(object: ApiObject): void {
  const template = at(object, 'spec.template');
  if (!isObject(template)) return;
  const spec = objectOf(template['spec']);
  template['spec'] = spec;
  defaultPodSpec(spec);
}

/** The object's spec, made where there is none. */
export function specOf(object: ApiObject): JsonObject {
  const spec = objectOf(object['spec']);
  object['spec'] = spec;
  return spec;
}

const labelsOf = (value: unknown): Record<string, string> => objectOf(value) as Record<string, string>;

/** A template's own checks; `field` is "spec.template". */
export function templateCauses(template: unknown, field: string, policies: readonly string[]): Cause[] {
  if (!isObject(template)) return [required(field)];
  const spec = objectOf(template['spec']);
  const policy = text(spec['restartPolicy']);
  return [
    ...labelCauses(labelsOf(at(template, 'metadata.labels')), `${field}.labels`),
    ...podSpecCauses(spec).map((cause) => ({ ...cause, field: `${field}.${cause.field}` })),
    ...(policies.includes(policy) ? [] : [notSupported(`${field}.spec.restartPolicy`, policy, policies)]),
  ];
}

/** Long-running pods: they start again for ever and have no deadline. */
export function runningTemplateCauses(object: ApiObject): Cause[] {
  const causes = templateCauses(at(object, 'spec.template'), 'spec.template', ['Always']);
  if (at(object, 'spec.template.spec.activeDeadlineSeconds') === undefined) return causes;
  const why = `activeDeadlineSeconds in ${object.kind === 'Deployment' ? 'ReplicaSet' : object.kind} is not Supported`;
  return [...causes, forbiddenField('spec.template.spec.activeDeadlineSeconds', why)];
}

const operators = ['In', 'NotIn', 'Exists', 'DoesNotExist'];

export function selectorCauses(selector: unknown, field: string): Cause[] {
  const { matchLabels, matchExpressions } = objectOf(selector);
  const expressions = list(matchExpressions).flatMap((one, index) => {
    const path = `${field}.matchExpressions[${index}]`;
    const { key, operator, values } = one;
    const count = Array.isArray(values) ? values.length : 0;
    const keys = keyProblems(text(key)).map((problem) => invalidValue(`${path}.key`, text(key), problem));
    if (!operators.includes(text(operator)))
      return [...keys, invalidValue(`${path}.operator`, text(operator), 'not a valid selector operator')];
    const wantsValues = operator === 'In' || operator === 'NotIn';
    if (wantsValues && count === 0)
      return [...keys, required(`${path}.values`, "must be specified when `operator` is 'In' or 'NotIn'")];
    if (!wantsValues && count > 0) {
      const why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
      return [...keys, forbiddenField(`${path}.values`, why)];
    }
    return keys;
  });
  return [...labelCauses(labelsOf(matchLabels), `${field}.matchLabels`), ...expressions];
}

/** A selector must be there, select something, select the template, and never change. */
export function workloadSelectorCauses(object: ApiObject, old: ApiObject | undefined): Cause[] {
  const selector = at(object, 'spec.selector');
  if (!isObject(selector)) return [required('spec.selector')];
  const causes = selectorCauses(selector, 'spec.selector');
  if (causes.length > 0) return causes;
  const requirements = selectorOf(selector as LabelSelectorObject);
  if (requirements.length === 0) {
    const what = object.kind.toLowerCase();
    causes.push(invalidValue('spec.selector', selector, `empty selector is invalid for ${what}`));
  }
  const labels = labelsOf(at(object, 'spec.template.metadata.labels'));
  if (!matchesLabels(requirements, labels)) {
    causes.push(invalidValue('spec.template.metadata.labels', labels, '`selector` does not match template `labels`'));
  }
  if (old && !sameJson(selector, at(old, 'spec.selector')))
    causes.push(invalidValue('spec.selector', selector, 'field is immutable'));
  return causes;
}

export function notNegative(value: unknown, field: string): Cause[] {
  return value === undefined || Number(value) >= 0
    ? []
    : [invalidValue(field, value, 'must be greater than or equal to 0')];
}

/** A count, or a share of it: "25%". */
export function countOrPercentCauses(value: unknown, field: string): Cause[] {
  if (typeof value === 'number') return notNegative(value, field);
  if (typeof value === 'string' && /^[0-9]+%$/.test(value)) return [];
  const why =
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
  return [invalidValue(field, value, why)];
}

/** Shares above the whole make no sense where they take away. */
export function atMostWhole(value: unknown, field: string): Cause[] {
  return typeof value === 'string' && Number(value.replace('%', '')) > 100
    ? [invalidValue(field, value, 'must not be greater than 100%')]
    : [];
}

export const isZero = (value: unknown): boolean => value === 0 || (typeof value === 'string' && /^0+%$/.test(value));

const containersOf = (object: ApiObject): JsonObject[] => list(at(object, 'spec.template.spec.containers'));

export const selectorText = (object: ApiObject): string => {
  const selector = at(object, 'spec.selector');
  if (!isObject(selector)) return '<none>';
  return formatSelector(selectorOf(selector as LabelSelectorObject)) || '<none>';
};

export const number = (name: string, path: string): Column => ({
  name,
  type: 'integer',
  cell: (object) => Number(at(object, path) ?? 0),
});

/** Shown with -o wide. */
export const containerColumns: readonly Column[] = [
  {
    name: 'Containers',
    priority: 1,
    cell: (object) =>
      containersOf(object)
        .map(({ name }) => text(name))
        .join(','),
  },
  {
    name: 'Images',
    priority: 1,
    cell: (object) =>
      containersOf(object)
        .map(({ image }) => text(image))
        .join(','),
  },
];

export const selectorColumn: Column = { name: 'Selector', priority: 1, cell: selectorText };
