internal import CFFmpeg

/// A failure reported by libavformat, libavcodec or libavutil.
package struct MediaError: Error, Hashable, CustomStringConvertible {
    /// The libav* error code. The corresponding C values are `AVERROR(errno)` and the `AVERROR_*` tags.
    package let code: Int32
    /// What was being done, in words that fit after "cannot": "open the container".
    package let operation: String

    package init(code: Int32, operation: String) {
        self.code = code
        self.operation = operation
    }

    /// No demuxer recognises the bytes, or they are not what their format promises.
    package var isNotMedia: Bool {
        code == tl_averror_invalid_data || code == tl_averror_demuxer_not_found
    }

    /// The libav* text for the code.
    package var reason: String {
        var buffer = [CChar](repeating: 0, count: 128)
        av_strerror(code, &buffer, buffer.count)
        return buffer.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }

    package var description: String { "cannot \(operation): \(reason)" }

    /// A session description has nothing in it that libavformat reads.
    package static let nothingReadable = MediaError(
        code: tl_averror_invalid_data, operation: "read any of the media of the session description")
    /// A session description gives a clock rate that no clock has.
    package static let noSuchClock = MediaError(
        code: tl_averror_invalid_data, operation: "count time at the clock rate")

    /// The index of a file lies behind its media, reading cannot go back, and the file is too long to be kept.
    package static let indexTooFar = MediaError(
        code: tl_averror(EFBIG), operation: "reach the index behind the media without ranges")

    /// What was asked for lies before what was read, and the input cannot go back.
    package static let cannotGoBack = MediaError(
        code: tl_averror(ESPIPE), operation: "go back without ranges, which the server does not serve")
    /// Reading up to a place would take too long.
    package static let takesTooLong = MediaError(
        code: tl_averror(ETIMEDOUT), operation: "read up to there, which takes a server without ranges too long")

    package static let invalidData = MediaError(code: tl_averror_invalid_data, operation: "read the container")
}

/// The one door for libav* calls that can fail: a negative result becomes an error.
@discardableResult
@inline(__always)
func check(_ result: Int32, _ operation: @autoclosure () -> String) throws(MediaError) -> Int32 {
    if result < 0 { throw MediaError(code: result, operation: operation()) }
    return result
}

/// `AVERROR(ENOMEM)` for constructors that return nothing.
@inline(__always)
func allocated<Handle>(_ handle: Handle?, _ operation: String) throws(MediaError) -> Handle {
    guard let handle else { throw MediaError(code: tl_averror(ENOMEM), operation: operation) }
    return handle
}
