/**
 * What a transaction has to be told of (its partitions, and that it holds offsets of a group) is told with the first thing that is sent in it,
 * while it still gathers, and once. kafkajs tells it of the offsets when they are sent, and again each time: a round trip during which everything
 * waits for the commit.
 */
import { patchOnce } from './internals.js'

interface InTransaction {
  readonly transactionalId: string
  readonly producerId: string
  readonly producerEpoch: number
}

interface InnerBroker {
  addPartitionsToTxn(request: InTransaction): Promise<unknown>
  addOffsetsToTxn(request: InTransaction & { readonly groupId: string }): Promise<unknown>
  endTxn(request: InTransaction): Promise<unknown>
}

/** by transactional id: the group whose offsets its transactions hold */
const groups = new Map<string, string>()
/** by transactional id: who has told the transaction that is open of them */
const told = new Map<string, string | undefined>()

/** The offsets that transactions of this id hold are those of the group. Does nothing on a release of kafkajs that is not known. */
export const holdsOffsetsOf = (groupId: string, transactionalId: string): void => {
  install()
  groups.set(transactionalId, groupId)
}

/** Nobody has the id any more. */
export const forgetTransactions = (transactionalId: string): void => {
  groups.delete(transactionalId)
  told.delete(transactionalId)
}

const install = patchOnce<{ prototype: InnerBroker }>('broker', ({ prototype: broker }) => {
  const { addPartitionsToTxn, addOffsetsToTxn, endTxn } = broker

  broker.addPartitionsToTxn = async function (request) {
    const answer = await addPartitionsToTxn.call(this, request)
    const groupId = groups.get(request.transactionalId)
    if (groupId !== undefined) await this.addOffsetsToTxn({ ...request, groupId })
    return answer
  }
  broker.addOffsetsToTxn = async function (request) {
    const { transactionalId } = request
    if (told.get(transactionalId) === tellerOf(request)) return undefined
    const answer = await addOffsetsToTxn.call(this, request)
    if (groups.get(transactionalId) === request.groupId) told.set(transactionalId, tellerOf(request))
    return answer
  }
  broker.endTxn = function (request) {
    // The entry stays: it is there again with the next transaction (see `FewEntries`).
    told.set(request.transactionalId, undefined)
    return endTxn.call(this, request)
  }
})

/** A new owner of the id has another epoch, and so has the same one that took it anew. */
const tellerOf = ({ producerId, producerEpoch }: InTransaction) => `${producerId}/${producerEpoch}`
