internal import Glibc
public import ThroughlineCore

/// Something an origin serves under one path: a file, or bytes in memory.
public struct ServedFile: Sendable {
    /// Where the bytes come from.
    public enum Content: Sendable {
        /// A file, opened anew for each response; its length is the one at that moment.
        case file(path: String)
        /// Bytes in memory, such as a playlist.
        case bytes([UInt8])
    }

    /// An HTTP validator (`ETag` or `Last-Modified`).
    public enum Validator: Sendable, Hashable {
        /// Made from the length and the time of modification. Copies of one file at one length but another time differ.
        case automatic
        /// Not sent.
        case none
        /// Sent as it is (an entity tag with its quotes).
        case value(String)
    }

    public var content: Content
    /// The media type; by default that of the path's extension, or `application/octet-stream`.
    public var contentType: String?
    /// The `ETag`.
    public var entityTag = Validator.automatic
    /// The `Last-Modified` date; bytes in memory have none by themselves.
    public var lastModified = Validator.automatic
    /// The length of the presentation, for triggers at an NPT where there is no ``nptIndex``.
    public var duration: MediaTime?
    /// The byte at which the media for an NPT begins; `nil` when it has none. Called on the origin's thread.
    public var nptIndex: (@Sendable (NPT) -> Int64?)?

    public init(_ content: Content) { self.content = content }

    /// A file by its path in the file system.
    public init(path: String) { self.init(.file(path: path)) }

    /// Bytes in memory.
    public init(bytes: [UInt8], contentType: String? = nil) {
        self.init(.bytes(bytes))
        self.contentType = contentType
    }

    /// The byte at which the media for `npt` begins.
    ///
    /// ``nptIndex`` is asked if there is one. Otherwise bytes are taken to be spread evenly over ``duration``, which is
    /// only roughly true of any real file. Without either there is no answer, and the fault never strikes.
    public func byteOffset(of npt: NPT, size: Int64) -> Int64? {
        if let nptIndex { return nptIndex(npt) }
        guard let duration, duration > .zero, npt >= .zero, size >= 0 else { return nil }
        return npt.flicks.scaled(by: max(size, 1), over: duration.flicks)
    }
}

extension ServedFile: ExpressibleByStringLiteral {
    /// A file by its path in the file system.
    public init(stringLiteral path: String) { self.init(path: path) }
}

/// The media type of the files that a lab serves.
func contentType(forPath path: String) -> String {
    let name = path.split(separator: "/").last ?? ""
    guard let dot = name.lastIndex(of: ".") else { return "application/octet-stream" }
    return switch name[name.index(after: dot)...].lowercased() {
    case "mp4", "m4v", "m4s", "cmfv": "video/mp4"
    case "m4a", "cmfa": "audio/mp4"
    case "mov": "video/quicktime"
    case "ts", "m2ts": "video/mp2t"
    case "mkv": "video/x-matroska"
    case "mka": "audio/x-matroska"
    case "webm": "video/webm"
    case "mp3": "audio/mpeg"
    case "aac": "audio/aac"
    case "flac": "audio/flac"
    case "wav": "audio/wav"
    case "ogg", "oga", "opus": "audio/ogg"
    case "m3u8": "application/vnd.apple.mpegurl"
    case "mpd": "application/dash+xml"
    case "vtt": "text/vtt"
    case "json": "application/json"
    case "txt": "text/plain; charset=utf-8"
    case "html": "text/html; charset=utf-8"
    default: "application/octet-stream"
    }
}

/// An IMF-fixdate (RFC 9110 section 5.6.7), such as `Sun, 06 Nov 1994 08:49:37 GMT`.
func httpDate(_ seconds: Int) -> String {
    var (time, parts) = (time_t(seconds), tm())
    gmtime_r(&time, &parts)
    func padded(_ value: Int32, _ width: Int = 2) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
    let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    return "\(days[Int(parts.tm_wday)]), \(padded(parts.tm_mday)) \(months[Int(parts.tm_mon)]) "
        + "\(padded(parts.tm_year + 1900, 4)) \(padded(parts.tm_hour)):\(padded(parts.tm_min)):\(padded(parts.tm_sec)) GMT"
}
