#!/bin/sh
# Everything from nothing: text -> speech -> recogniser -> voice -> recogniser tuned on the voice -> measurements.
set -eu
cd "$(dirname "$0")"
python=${PYTHON:-python}
build=${BUILD:-build}
# Keep glibc from returning large buffers to the kernel after every step (2-3x faster training on CPU).
export MALLOC_MMAP_THRESHOLD_=8589934592 MALLOC_TRIM_THRESHOLD_=17179869184
export MALLOC_TOP_PAD_=1073741824 THP_MEM_ALLOC_ENABLE=1
export OMP_WAIT_POLICY=PASSIVE HF_HUB_OFFLINE=1

$python make_text.py --out "$build/text"
$python tokens.py "$build/text/train.txt" "$build/tokenizer.json"
$python make_features.py --text "$build/text/train.txt" --out "$build/features" --clips "${CLIPS:-50000}"
$python train_whisper.py --features "$build/features" --text "$build/text/train.txt" \
    --tokenizer "$build/tokenizer.json" --out "$build/recogniser_plain.pt" \
    --plain --minutes "${RECOGNISER_MINUTES:-25}" --floor 0.3
$python make_voice.py --text "$build/text/train.txt" --out "$build/voice" \
    --utterances "${UTTERANCES:-3000}" --minutes "${VOICE_MINUTES:-10}"
$python make_features.py --text "$build/text/train.txt" --out "$build/features_piper" \
    --clips "${PIPER_CLIPS:-5000}" --seed 5000 --piper "$build/voice/voice.onnx"
$python train_whisper.py --features "$build/features" "$build/features_piper*3" --text "$build/text/train.txt" \
    --tokenizer "$build/tokenizer.json" --init "$build/recogniser_plain.pt" --out "$build/recogniser.pt" \
    --learning-rate 9e-4 --minutes "${TUNE_MINUTES:-40}"
$python export_whisper.py --checkpoint "$build/recogniser.pt" --tokenizer "$build/tokenizer.json" \
    --out "$build/whisper-synthetic-tiny"
# shellcheck disable=SC2086 # the flags are words
$python evaluate.py --recogniser "$build/whisper-synthetic-tiny" --voice "$build/voice/voice.onnx" \
    --text "$build/text/holdout.txt" ${EVALUATE_FLAGS:-}
