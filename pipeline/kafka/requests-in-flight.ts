/** kafkajs keeps the requests of a connection that are under way in a `Map`, which runs empty hundreds of times a second: see `FewEntries`. */
import { FewEntries } from '../../stages/few-entries.js'
import { patchOnce } from './internals.js'

interface RequestQueue {
  inflight: Map<number, unknown> | FewEntries<number, unknown>
  push(request: unknown): void
}

/** Idempotent; does nothing on a release of kafkajs that is not known. */
export const installRequestsInFlight = patchOnce<{ prototype: RequestQueue }>(
  'network/requestQueue',
  ({ prototype }) => {
    const { push } = prototype
    prototype.push = function (request) {
      if (this.inflight instanceof Map && this.inflight.size === 0) this.inflight = new FewEntries()
      push.call(this, request)
    }
  },
)
