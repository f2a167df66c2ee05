#ifndef THROUGHLINE_CFFMPEG_SHIM_H
#define THROUGHLINE_CFFMPEG_SHIM_H

#include <errno.h>
#include <libavcodec/avcodec.h>
#include <libavcodec/bsf.h>
#include <libavformat/avformat.h>
#include <libavutil/avutil.h>
#include <libavutil/channel_layout.h>
#include <libavutil/error.h>
#include <libavutil/hash.h>
#include <libavutil/imgutils.h>
#include <libavutil/log.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
#include <libavutil/samplefmt.h>

/// `AVERROR(e)`: the code that libav* functions return for a POSIX error.
static inline int tl_averror(int posix) { return AVERROR(posix); }
/// `AVERROR_EOF`, a macro that Swift cannot import.
static const int tl_averror_eof = AVERROR_EOF;
/// `AVERROR_EXIT`: a call was ended by its interrupt callback.
static const int tl_averror_exit = AVERROR_EXIT;
/// `AVERROR_INVALIDDATA`: the bytes are not what the format promises.
static const int tl_averror_invalid_data = AVERROR_INVALIDDATA;
/// `AVERROR_DEMUXER_NOT_FOUND`: no demuxer recognises the bytes.
static const int tl_averror_demuxer_not_found = AVERROR_DEMUXER_NOT_FOUND;
/// `AV_NOPTS_VALUE`: the timestamp is not known.
static const int64_t tl_no_timestamp = AV_NOPTS_VALUE;

#endif
