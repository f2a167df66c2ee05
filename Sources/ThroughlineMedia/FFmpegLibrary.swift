internal import CFFmpeg

/// What libav* needs once for each process.
package enum FFmpegLibrary {
    private static let once: Void = {
        // Broken input is our daily bread, and what matters of it is reported as events.
        av_log_set_level(AV_LOG_QUIET)
    }()

    static func prepare() { _ = once }

    /// The version of libavformat that is loaded, `59.27.100`.
    package static var version: String {
        let value = avformat_version()
        return "\(value >> 16).\(value >> 8 & 0xff).\(value & 0xff)"
    }
}
