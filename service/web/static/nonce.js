/** The nonce of this page's answer, with which wavesurfer.js may have a style element; it is no longer in the document. */

export const nonce = document.documentElement.dataset.nonce;
delete document.documentElement.dataset.nonce;
