import { credentials, loadPackageDefinition, type ServiceError } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

/** A runtime's socket, as kubelet speaks to it. */
export interface Cri {
  /**
   * One call of its RuntimeService or ImageService, such as `ExecSync`.
   * @throws ServiceError with the runtime's own words, also after 2 minutes without an answer.
   */
  call(name: string, request?: object): Promise<Answer>;
  close(): void;
}

// biome-ignore lint/suspicious/noExplicitAny: a message of cri.proto, of which each caller reads another field
export type Answer = any;

const definition = loadSync(`${import.meta.dirname}/cri.proto`, {
  keepCase: true,
  longs: Number,
  enums: String,
  defaults: true,
});

const longestCallMs = 120_000;

/** @param socket absolute path of the runtime's socket. */
export function connectCri(socket: string): Cri {
  // biome-ignore lint/suspicious/noExplicitAny: clients are made from cri.proto as it is loaded
  const { RuntimeService, ImageService } = (loadPackageDefinition(definition) as any).runtime.v1;
  // An authority of a path is refused: grpc-go, and every HTTP/2 of Go, wants a host's name.
  const options = { 'grpc.default_authority': 'localhost' };
  const clients = [RuntimeService, ImageService].map(
    (Service) => new Service(`unix://${socket}`, credentials.createInsecure(), options),
  );
  return {
    call: (name, request = {}) => {
      const client = clients.find((one) => typeof one[name] === 'function');
      if (client === undefined) throw new Error(`cri.proto has no call ${name}`);
      return new Promise((resolve, reject) =>
        client[name](
          request,
          { deadline: Date.now() + longestCallMs },
          (error: ServiceError | null, answer: Answer) => (error === null ? resolve(answer) : reject(error)),
        ),
      );
    },
    close: () => {
      for (const client of clients) client.close();
    },
  };
}
