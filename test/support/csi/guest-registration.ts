import '../guest/guest.ts';
import { credentials, loadPackageDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { registrySocket } from './requests.ts';

/** Kubelet's part on the guest: tells a driver that serves that it is registered. @throws after 20 s. */
export async function registerGuestDriver(): Promise<void> {
  const definition = loadSync('/host/test/support/csi/registration.proto');
  // biome-ignore lint/suspicious/noExplicitAny: clients are made from the description as it is loaded
  const { Registration } = (loadPackageDefinition(definition) as any).pluginregistration;
  const client = new Registration(`unix:${registrySocket}`, credentials.createInsecure());
  const deadline = Date.now() + 20_000;
  await new Promise<void>((resolve, reject) =>
    client.NotifyRegistrationStatus({ pluginRegistered: true }, { deadline }, (error: Error | null) =>
      error === null ? resolve() : reject(error),
    ),
  );
  client.close();
}
