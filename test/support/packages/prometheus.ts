import { unpackedPackage } from '../../../scripts/debian.ts';

export interface PrometheusPrograms {
  readonly prometheus: string;
  readonly promtool: string;
  readonly nodeExporter: string;
}

/** Of Debian's packages, which, installed, would run as services. @returns their paths. */
export async function ensurePrometheus(): Promise<PrometheusPrograms> {
  const [server, exporter] = [
    await unpackedPackage('prometheus'),
    await unpackedPackage('prometheus-node-exporter'),
  ];
  return {
    prometheus: `${server}/usr/bin/prometheus`,
    promtool: `${server}/usr/bin/promtool`,
    nodeExporter: `${exporter}/usr/bin/prometheus-node-exporter`,
  };
}
