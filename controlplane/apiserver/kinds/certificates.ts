// CertificateSigningRequests: what is asked for never changes, approvers and signers write parts of the status.
import { type ApiObject, at, type Cause, list, object as objectOf, text } from '../model.ts';
import { invalidValue, required } from '../rules/names.ts';
import { ageColumn } from '../rules/table.ts';
import type { Strategy } from './kind.ts';

const shortestSeconds = 600;
const verdicts = new Set(['Approved', 'Denied']);

const conditions = (request: ApiObject) => list(at(request, 'status.conditions'));
const verdictsOf = (request: ApiObject) => conditions(request).filter(({ type }) => verdicts.has(text(type)));

function specCauses(request: ApiObject): Cause[] {
  const spec = objectOf(request['spec']);
  const signer = text(spec['signerName']);
  const pem = Buffer.from(text(spec['request']), 'base64').toString('latin1');
  const seconds = spec['expirationSeconds'];
  return [
    ...(/-----BEGIN (NEW )?CERTIFICATE REQUEST-----/.test(pem)
      ? []
      : [invalidValue('spec.request', text(spec['request']), 'PEM block type must be CERTIFICATE REQUEST')]),
    ...(signer === '' ? [required('spec.signerName')] : []),
    ...(signer !== '' && !/^[a-z0-9.-]+\/\S+$/.test(signer)
      ? [
          invalidValue(
            'spec.signerName',
            signer,
            "must be a fully qualified domain and path of the form 'example.com/signer-name'",
          ),
        ]
      : []),
    ...(list(spec['usages']).length === 0 ? [required('spec.usages')] : []),
    ...(seconds !== undefined && Number(seconds) < shortestSeconds
      ? [
          invalidValue(
            'spec.expirationSeconds',
            seconds,
            'may not specify a duration less than 600 seconds (10 minutes)',
          ),
        ]
      : []),
  ];
}

/** "Approved,Issued", as kubectl shows it. */
function conditionOf(request: ApiObject): string {
  const words = ['Approved', 'Denied', 'Failed'].filter((word) =>
    conditions(request).some(({ type }) => type === word),
  );
  if (words.length === 0) words.push('Pending');
  if (at(request, 'status.certificate')) words.push('Issued');
  return words.join(',');
}

export const signingRequestStrategy: Strategy = {
  names: 'path',
  validate: (request, old) => (old ? [] : specCauses(request)),
  prepareUpdate: (request, old) => {
    request['spec'] = old['spec'];
  },
  subresources: {
    // An approver decides, and writes nothing else.
    approval: (request, old) => ({
      ...old,
      status: { ...objectOf(old['status']), conditions: conditions(request) },
    }),
    // A signer cannot decide: the verdicts stay as they were.
    status: (request, old) => {
      const others = conditions(request).filter(({ type }) => !verdicts.has(text(type)));
      const all = [...verdictsOf(old), ...others];
      const status = { ...objectOf(request['status']), ...(all.length > 0 ? { conditions: all } : {}) };
      const issued = at(old, 'status.certificate');
      return { ...old, status: issued === undefined ? status : { ...status, certificate: issued } };
    },
  },
  fields: { 'spec.signerName': (request) => text(at(request, 'spec.signerName')) },
  columns: [
    ageColumn,
    { name: 'SignerName', cell: (request) => text(at(request, 'spec.signerName')) },
    { name: 'Requestor', cell: (request) => text(at(request, 'spec.username')) },
    {
      name: 'RequestedDuration',
      cell: (request) => {
        const seconds = at(request, 'spec.expirationSeconds');
        return seconds === undefined ? '<none>' : `${Math.floor(Number(seconds) / 3600)}h`;
      },
    },
    { name: 'Condition', cell: conditionOf },
  ],
};
