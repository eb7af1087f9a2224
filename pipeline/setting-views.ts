/** The settings of a worker as they may be shown: with where they came from, and without secrets. */

import { settingAt } from './config-settings.js'
import { leaves, type Tree, valueAt } from './config-tree.js'
import { isLive, type LiveConfig, liveSettings } from './live-config.js'
import type { Setting } from './rest-views.js'

const isSecret = (path: string): boolean => /(^|\.)(password|token)$/.test(path)

/** What may be set while the worker runs, always in the same order, and what else is set. */
export const settingViews = ({ current, sources }: LiveConfig): Setting[] =>
  [...new Set([...liveSettings.filter((path) => isLive(path, current)), ...leaves(current)])].map((path) => {
    const known = settingAt(path)
    return {
      path,
      value: isSecret(path) ? '…' : (valueAt(current as unknown as Tree, path) ?? null),
      source: sources.get(path) ?? 'default',
      live: isLive(path, current),
      environment: known?.environment ?? '',
      description: known?.description ?? '',
    }
  })
