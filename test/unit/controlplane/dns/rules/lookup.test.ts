// Questions and what they find: the difference between "no such name" and "nothing of that type" above all.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lookUp } from '../../../../../controlplane/dns/rules/lookup.ts';
import { world } from '../../../../builders/dns.ts';

/** "NOERROR a b | authority | extras > target" in short. */
function found(name: string, type: string): string {
  const answer = lookUp(world(), name.replace('~', '.default.svc.cluster.local'), type);
  if (!answer) return 'elsewhere';
  const short = (records: readonly { type: string; data: unknown }[]): string =>
    records
      .map(({ type: kind, data }) => {
        if (typeof data === 'string') return `${kind} ${data}`;
        const { target, port } = data as { target?: string; port?: number };
        return target === undefined ? kind : `${kind} ${port} ${target}`;
      })
      .join(', ')
      .replaceAll('.default.svc.cluster.local', '~');
  const { rcode, answers, authorities, additionals, leadsTo } = answer;
  const parts = [rcode, short(answers), short(authorities), short(additionals), leadsTo ? `> ${leadsTo}` : ''];
  return parts.filter((part) => part !== '').join(' | ');
}

const nothing = 'NOERROR | SOA';
const nobody = 'NXDOMAIN | SOA';

const cases: readonly [name: string, type: string, answer: string][] = [
  ['hello~', 'A', 'NOERROR | A 10.96.0.5'],
  ['hello~', 'AAAA', nothing],
  ['hello~', 'MX', nothing],
  ['both~', 'AAAA', 'NOERROR | AAAA fd00::6'],
  ['hello~', 'SRV', 'NOERROR | SRV 80 hello~ | A 10.96.0.5'],
  ['_http._tcp.hello~', 'SRV', 'NOERROR | SRV 80 hello~ | A 10.96.0.5'],
  ['_http._tcp.hello~', 'A', nothing],
  ['_tcp.hello~', 'SRV', nothing],
  ['_http._udp.hello~', 'SRV', nobody],
  ['_ftp._tcp.hello~', 'SRV', nobody],
  ['nobody~', 'A', nobody],
  ['deep.below.hello~', 'A', nobody],
  ['web~', 'A', 'NOERROR | A 10.244.0.1, A 10.244.0.2'],
  ['web-0.web~', 'A', 'NOERROR | A 10.244.0.1'],
  ['web-2.web~', 'A', nobody],
  ['10-244-0-2.web~', 'A', 'NOERROR | A 10.244.0.2'],
  ['_http._tcp.web~', 'SRV', 'NOERROR | SRV 8080 web-0.web~, SRV 8080 10-244-0-2.web~ | A 10.244.0.1, A 10.244.0.2'],
  ['idle~', 'A', nobody],
  ['inner~', 'CNAME', 'NOERROR | CNAME hello~'],
  ['inner~', 'A', 'NOERROR | CNAME hello~, A 10.96.0.5'],
  ['inner~', 'AAAA', 'NOERROR | CNAME hello~ | SOA'],
  ['outer~', 'A', 'NOERROR | CNAME www.example.com | > www.example.com'],
  ['outer~', 'CNAME', 'NOERROR | CNAME www.example.com'],
  ['lost~', 'A', 'NXDOMAIN | CNAME nobody~ | SOA'],
  ['ring~', 'A', 'NOERROR | CNAME gnir~, CNAME ring~'],
  ['default.svc.cluster.local', 'A', nothing],
  ['empty.svc.cluster.local', 'A', nothing],
  ['missing.svc.cluster.local', 'A', nobody],
  ['svc.cluster.local', 'A', nothing],
  ['pod.cluster.local', 'A', nothing],
  ['cluster.local', 'A', nothing],
  ['cluster.local', 'SOA', 'NOERROR | SOA'],
  ['cluster.local', 'NS', 'NOERROR | NS ns.dns.cluster.local'],
  ['dns-version.cluster.local', 'TXT', 'NOERROR | TXT 1.1.0'],
  ['dns-version.cluster.local', 'A', nothing],
  ['default.cluster.local', 'A', nobody],
  ['10-244-0-5.default.pod.cluster.local', 'A', 'NOERROR | A 10.244.0.5'],
  ['10-244-0-5.default.pod.cluster.local', 'AAAA', nothing],
  ['2001-db8--5.default.pod.cluster.local', 'AAAA', 'NOERROR | AAAA 2001:db8::5'],
  ['10-244-0-5.missing.pod.cluster.local', 'A', nobody],
  ['10-244-0-256.default.pod.cluster.local', 'A', nobody],
  ['hello.default.pod.cluster.local', 'A', nobody],
  ['a.10-244-0-5.default.pod.cluster.local', 'A', nobody],
  ['default.pod.cluster.local', 'A', nothing],
  ['5.0.96.10.in-addr.arpa', 'PTR', 'NOERROR | PTR hello~'],
  ['5.0.96.10.in-addr.arpa', 'A', nothing],
  ['1.0.244.10.in-addr.arpa', 'PTR', 'NOERROR | PTR web-0.web~'],
  ['9.0.96.10.in-addr.arpa', 'PTR', 'elsewhere'],
  ['www.example.com', 'A', 'elsewhere'],
  ['notcluster.local', 'A', 'elsewhere'],
  ['', 'NS', 'elsewhere'],
];

for (const [name, type, answer] of cases) {
  test(`${type} of "${name}": ${answer}`, () => assert.equal(found(name, type), answer));
}

test('the zone says since when it is what it is, and for how long "no" may be believed', () => {
  assert.deepEqual(lookUp(world(), 'nobody.default.svc.cluster.local', 'A')?.authorities, [
    {
      ...{ name: 'cluster.local', ttl: 5, type: 'SOA' },
      data: {
        ...{ mname: 'ns.dns.cluster.local', rname: 'hostmaster.cluster.local', serial: 1000 },
        ...{ refresh: 7200, retry: 1800, expire: 86400, minimum: 5 },
      },
    },
  ]);
});

test('what a Service said is forgotten with it, names above it included', () => {
  const zone = world();
  zone.put('service/other', [{ name: 'a.other.svc.cluster.local', ttl: 5, type: 'A', data: '10.0.0.1' }]);
  assert.deepEqual(zone.find('other.svc.cluster.local'), []);
  zone.remove('service/other');
  assert.equal(zone.find('other.svc.cluster.local'), undefined);
  assert.equal(zone.find('a.other.svc.cluster.local'), undefined);
  assert.deepEqual(zone.find('default.svc.cluster.local'), []);
});
