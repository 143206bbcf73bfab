/** The module's exports: what wasm-kernels.ts calls. */
export { attention, attentionGradient } from './attention.as'
export { dcmmAttention, dcmmAttentionGradient } from './dcmm.as'
export { batchGemm, workspaceBytes } from './gemm.as'
export { adamw, moveTowards, sumOfSquares } from './optimizer.as'
export { permuteRows } from './permute.as'
export { addBias, columnSums, gelu, geluGradient, layerNorm, layerNormGradient } from './rows.as'
export { sbmAttention, sbmAttentionGradient } from './sbm.as'
