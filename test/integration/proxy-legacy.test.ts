// Real packets through the proxy's rules on iptables-legacy.
import { packetSuite } from '../rig/packets.ts';

packetSuite('legacy');
