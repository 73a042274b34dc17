import { unpackedPackage } from '../../../scripts/debian.ts';

export interface PrometheusPrograms {
  readonly prometheus: string;
  readonly promtool: string;
  readonly nodeExporter: string;
}

/** In Debian 13 promtool has a package of its own. */
const suite = 'bookworm';

/** Of Debian's packages, which, installed, would run as services. @returns their paths. */
export async function ensurePrometheus(): Promise<PrometheusPrograms> {
  const [server, exporter] = [
    await unpackedPackage('prometheus', suite),
    await unpackedPackage('prometheus-node-exporter', suite),
  ];
  return {
    prometheus: `${server}/usr/bin/prometheus`,
    promtool: `${server}/usr/bin/promtool`,
    nodeExporter: `${exporter}/usr/bin/prometheus-node-exporter`,
  };
}
