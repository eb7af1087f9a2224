/** The settings of a worker as they may be shown: with where they came from, and without secrets. */

import { settingAt } from './config-settings.js'
import { leaves, type Tree, valueAt } from './config-tree.js'
import { type LiveConfig, liveSettings } from './live-config.js'
import type { Setting } from './rest-views.js'

const isSecret = (path: string): boolean => /(^|\.)(password|token)$/.test(path)

export const settingViews = ({ current, sources }: LiveConfig): Setting[] =>
  [...leaves(current)].map((path) => {
    const known = settingAt(path)
    return {
      path,
      value: isSecret(path) ? '…' : valueAt(current as unknown as Tree, path),
      source: sources.get(path) ?? 'default',
      live: (liveSettings as readonly string[]).includes(path),
      environment: known?.environment ?? '',
      description: known?.description ?? '',
    }
  })
