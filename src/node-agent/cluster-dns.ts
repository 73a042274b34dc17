import { isIP } from 'node:net';
import * as v from 'valibot';
import { resolver } from '../manifest/resolver.ts';
import { parseResolvConf } from '../resolver/resolv-conf.ts';

/** Of a Pod's own namespace: `default.svc.cluster.local`. */
const ofNamespace = /^[^.]+\.svc\./;

/**
 * The cluster's name servers and domains, as kubelet gives them to a Pod with `dnsPolicy: ClusterFirst`: for a node
 * whose kubelet has not written them into the rootfs. A name without a namespace means none here, for no mount is of the
 * agent's namespace.
 * @param text of the Pod's own /etc/resolv.conf.
 * @returns undefined where there is nothing in it that a manifest may have.
 */
export function clusterDns(text: string): Pick<Resolver, 'nameservers' | 'searches'> | undefined {
  const { nameservers, searches } = parseResolvConf(text);
  const dns = {
    nameservers: nameservers.filter((address) => isIP(address) !== 0),
    searches: searches.filter((domain) => !ofNamespace.test(domain)),
  };
  return dns.nameservers.length > 0 && v.is(resolver, dns) ? dns : undefined;
}

type Resolver = v.InferOutput<typeof resolver>;
