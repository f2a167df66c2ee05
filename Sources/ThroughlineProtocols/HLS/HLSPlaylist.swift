internal import ThroughlineCore

/// A playlist as a server sends it (RFC 8216, and its successor's draft): UTF-8 text, a tag or a URI a line.
///
/// What is unknown is passed over, and what is only unusual is borne; what could mean two things, or is beyond `HLSLimits`, is
/// an error with its line.
package enum HLSPlaylist: Hashable, Sendable {
    case multivariant(HLSMultivariantPlaylist)
    case media(HLSMediaPlaylist)

    /// - Parameters:
    ///   - text: the whole of it.
    ///   - url: where it came from: variables may be taken from its query.
    ///   - imported: the variables of the multivariant playlist that led here.
    package init(_ text: [UInt8], url: String = "", imported: [String: String] = [:]) throws(HLSPlaylistError) {
        var reader = HLSPlaylistReader(url: url, imported: imported)
        self = try reader.read(text)
    }
}

/// How much a playlist may hold.
package enum HLSLimits {
    package static let bytes = 32 << 20
    package static let line = 64 << 10
    package static let segments = 500_000
    package static let variants = 2000
    package static let dateRanges = 20_000
    package static let variables = 1000
    package static let sessionKeys = 1000
    /// Of SCTE-35, in bytes.
    package static let section = 4096
    /// Bytes of all text in which variables were replaced.
    package static let replaced = 32 << 20
}

/// Why a playlist cannot be played.
package struct HLSPlaylistError: Error, Hashable, CustomStringConvertible {
    /// From 1 on.
    package let line: Int
    package let reason: String
    package var description: String { "line \(line): \(reason)" }
}

/// Reads a playlist line by line.
struct HLSPlaylistReader {
    private var media = HLSMediaPlaylist()
    private var multivariant = HLSMultivariantPlaylist()
    private var isMultivariant = false
    private var isMedia = false
    private var variables: [String: String]
    private let imported: [String: String]
    private let url: String
    private var line = 0
    private var hasHeader = false

    // What holds for the segments that follow.
    private var keys: [HLSMediaPlaylist.Key] = []
    private var map: HLSMediaPlaylist.Map?
    private var discontinuities: Int64 = 0
    // What holds for the next.
    private var duration: MediaTime?
    private var title: String?
    private var range: HLSByteRange?
    private var date: MediaTime?
    private var isGap = false
    private var variant: HLSMultivariantPlaylist.Variant?
    /// Bytes of text in which variables were replaced so far.
    private var replacedBytes = 0
    /// Where the last range of each resource ended.
    private var rangeEnds: [String: Int64] = [:]

    init(url: String, imported: [String: String]) {
        (self.url, self.imported) = (url, imported)
        variables = [:]
    }

    private func error(_ reason: String) -> HLSPlaylistError { HLSPlaylistError(line: max(1, line), reason: reason) }

    mutating func read(_ text: [UInt8]) throws(HLSPlaylistError) -> HLSPlaylist {
        guard text.count <= HLSLimits.bytes else {
            throw error("a playlist of \(text.count) bytes; \(HLSLimits.bytes) are allowed")
        }
        var start = text.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
        while start < text.count {
            let end = text[start...].firstIndex(of: 0x0A) ?? text.count
            line += 1
            guard end - start <= HLSLimits.line else {
                throw error("a line of \(end - start) bytes; \(HLSLimits.line) are allowed")
            }
            let content = String(decoding: text[start..<end], as: UTF8.self)
            start = end + 1
            try take(content.trimmed)
        }
        guard hasHeader else { throw error("a playlist begins with #EXTM3U") }
        if isMultivariant {
            if isMedia { throw error("tags of a media playlist and of a multivariant playlist in one") }
            multivariant.variables = variables
            return .multivariant(multivariant)
        }
        media.discontinuitySequence = max(0, media.discontinuitySequence)
        for index in media.segments.indices { media.segments[index].discontinuity += media.discontinuitySequence }
        return .media(media)
    }

    private mutating func take(_ text: Substring) throws(HLSPlaylistError) {
        guard !text.isEmpty else { return }
        guard text.utf8.first == UInt8(ascii: "#") else {
            guard hasHeader else { throw error("a playlist begins with #EXTM3U") }
            return try takeURI(replaced(text))
        }
        guard text.hasPrefix("#EXT") else { return }
        let (name, value) = text.cut(at: UInt8(ascii: ":"))
        if name == "#EXTM3U" {
            hasHeader = true
            return
        }
        guard hasHeader else { throw error("a playlist begins with #EXTM3U") }
        try take(tag: name.dropFirst(), value ?? "")
    }

    private mutating func take(tag: Substring, _ value: Substring) throws(HLSPlaylistError) {
        switch tag {
        // Both
        case "EXT-X-VERSION":
            let version = value.trimmed.leadingDecimal ?? 1
            (media.version, multivariant.version) = (version, version)
        case "EXT-X-INDEPENDENT-SEGMENTS": (media.isIndependent, multivariant.isIndependent) = (true, true)
        case "EXT-X-START":
            let attributes = HLSAttributes(value)
            guard let offset = attributes.seconds("TIME-OFFSET") else { return }
            let start = HLSStart(offset: offset, isPrecise: attributes.isYes("PRECISE"))
            (media.start, multivariant.start) = (start, start)
        case "EXT-X-DEFINE": try define(HLSAttributes(value))
        // Multivariant
        case "EXT-X-STREAM-INF":
            isMultivariant = true
            variant = try variant(HLSAttributes(value), uri: "")
        case "EXT-X-I-FRAME-STREAM-INF":
            isMultivariant = true
            let attributes = HLSAttributes(value)
            guard let uri = attributes["URI"] else { return }
            try room(multivariant.iFrameVariants.count, HLSLimits.variants, "variants")
            multivariant.iFrameVariants.append(try variant(attributes, uri: replaced(uri)))
        case "EXT-X-MEDIA":
            isMultivariant = true
            try takeRendition(HLSAttributes(value))
        case "EXT-X-SESSION-KEY":
            isMultivariant = true
            guard let key = try key(HLSAttributes(value)) else { return }
            try room(multivariant.sessionKeys.count, HLSLimits.sessionKeys, "session keys")
            multivariant.sessionKeys.append(key)
        case "EXT-X-CONTENT-STEERING":
            isMultivariant = true
            let attributes = HLSAttributes(value)
            guard let uri = attributes["SERVER-URI"] else { return }
            multivariant.steering = .init(uri: try replaced(uri), pathway: attributes["PATHWAY-ID"].map(String.init))
        case "EXT-X-SESSION-DATA": isMultivariant = true
        // Media
        default: try takeMedia(tag: tag, value)
        }
    }

    private mutating func takeMedia(tag: Substring, _ value: Substring) throws(HLSPlaylistError) {
        switch tag {
        case "EXTINF":
            isMedia = true
            let (seconds, rest) = value.cut(at: UInt8(ascii: ","))
            // Some write no duration at all, and some a word.
            duration = MediaTime(decimalSeconds: seconds.trimmed) ?? .zero
            title = rest.flatMap { $0.trimmed.isEmpty ? nil : String($0.trimmed) }
        case "EXT-X-TARGETDURATION":
            isMedia = true
            media.targetDuration = MediaTime(decimalSeconds: value.trimmed)
        case "EXT-X-MEDIA-SEQUENCE":
            isMedia = true
            media.mediaSequence = value.trimmed.decimal ?? 0
        case "EXT-X-DISCONTINUITY-SEQUENCE":
            isMedia = true
            media.discontinuitySequence = value.trimmed.decimal ?? 0
        case "EXT-X-PLAYLIST-TYPE":
            isMedia = true
            media.kind = HLSMediaPlaylist.Kind(rawValue: String(value.trimmed))
        case "EXT-X-ENDLIST":
            isMedia = true
            media.isEnded = true
        case "EXT-X-I-FRAMES-ONLY":
            isMedia = true
            media.isIFramesOnly = true
        case "EXT-X-BYTERANGE":
            isMedia = true
            guard let found = HLSByteRange(value) else { throw error("no byte range: \(value.prefix(60))") }
            range = found
        case "EXT-X-DISCONTINUITY":
            isMedia = true
            discontinuities += 1
        case "EXT-X-GAP":
            isMedia = true
            isGap = true
        case "EXT-X-PROGRAM-DATE-TIME":
            isMedia = true
            date = UTCTime.parseISO(value)
        case "EXT-X-KEY":
            isMedia = true
            try takeKey(HLSAttributes(value))
        case "EXT-X-MAP":
            isMedia = true
            try takeMap(HLSAttributes(value))
        case "EXT-X-DATERANGE":
            isMedia = true
            try takeDateRange(HLSAttributes(value))
        case "EXT-X-PART":
            isMedia = true
            media.parts += 1
        case "EXT-X-SKIP":
            isMedia = true
            media.skipped = HLSAttributes(value).integer("SKIPPED-SEGMENTS")
        default: break
        }
    }

    private func room(_ count: Int, _ most: Int, _ what: String) throws(HLSPlaylistError) {
        guard count < most else { throw error("more than the \(most) \(what) allowed") }
    }

    // MARK: - URIs

    private mutating func takeURI(_ uri: String) throws(HLSPlaylistError) {
        if var variant = variant.take() {
            variant.uri = uri
            try room(multivariant.variants.count, HLSLimits.variants, "variants")
            return multivariant.variants.append(variant)
        }
        // Without its duration it is no segment; of a multivariant playlist it is nothing.
        guard let duration = duration.take(), !isMultivariant else { return resetSegment() }
        try room(media.segments.count, HLSLimits.segments, "segments")
        media.segments.append(
            HLSMediaPlaylist.Segment(
                uri: uri, duration: duration, title: title, range: try place(range, of: uri), map: map, keys: keys,
                discontinuity: discontinuities, date: date, isGap: isGap, line: line))
        resetSegment()
    }

    private mutating func resetSegment() { (duration, title, range, date, isGap) = (nil, nil, nil, nil, false) }

    /// Where a range has no offset it follows the one before it of the same resource.
    private mutating func place(_ range: HLSByteRange?, of uri: String) throws(HLSPlaylistError) -> Range<Int64>? {
        guard let range else {
            rangeEnds[uri] = nil
            return nil
        }
        guard let offset = range.offset ?? rangeEnds[uri] else {
            throw error("a byte range without an offset follows none of the same resource")
        }
        let (end, overflow) = offset.addingReportingOverflow(range.length)
        guard !overflow else { throw error("a byte range that ends nowhere") }
        // One resource after another: the ends of those before are not needed.
        if rangeEnds.count >= 64, rangeEnds[uri] == nil { rangeEnds = [:] }
        rangeEnds[uri] = end
        return offset..<end
    }

    // MARK: - Keys and init sections

    private mutating func takeKey(_ attributes: HLSAttributes) throws(HLSPlaylistError) {
        guard let key = try key(attributes) else {
            keys = []
            return
        }
        // Those of another format stand beside it; one of the same takes its place.
        keys.removeAll { $0.format == key.format }
        try room(keys.count, 32, "keys of a segment")
        keys.append(key)
    }

    /// - Returns: nil where nothing is encrypted.
    private mutating func key(_ attributes: HLSAttributes) throws(HLSPlaylistError) -> HLSMediaPlaylist.Key? {
        let method: HLSMediaPlaylist.Key.Method
        switch attributes["METHOD"] {
        case "NONE": return nil
        case nil: throw error("a key without a method")
        case "AES-128": method = .aes128
        case "SAMPLE-AES", "SAMPLE-AES-CTR": method = .sampleAES
        case let other?: method = .other(String(other.prefix(60)))
        }
        let uri = try attributes["URI"].map { (uri) throws(HLSPlaylistError) in try self.replaced(uri) }
        if method == .aes128, uri == nil { throw error("a key without a URI") }
        var vector = attributes.bytes("IV", most: 16, isNumber: true)
        if attributes["IV"] != nil {
            guard let bytes = vector else { throw error("an initialization vector that is none") }
            vector = Array(repeating: 0, count: 16 - bytes.count) + bytes
        }
        return HLSMediaPlaylist.Key(
            method: method, uri: uri, initializationVector: vector,
            format: attributes["KEYFORMAT"].map(String.init) ?? "identity")
    }

    private mutating func takeMap(_ attributes: HLSAttributes) throws(HLSPlaylistError) {
        guard let uri = attributes["URI"] else { throw error("an init section without a URI") }
        var range: Range<Int64>?
        if let text = attributes["BYTERANGE"] {
            guard let found = HLSByteRange(text), case let start = found.offset ?? 0,
                !start.addingReportingOverflow(found.length).overflow
            else { throw error("no byte range: \(text.prefix(60))") }
            range = start..<start + found.length
        }
        map = HLSMediaPlaylist.Map(uri: try replaced(uri), range: range, keys: keys)
    }

    // MARK: - Variants and renditions

    private func variant(
        _ attributes: HLSAttributes, uri: String
    ) throws(HLSPlaylistError) -> HLSMultivariantPlaylist.Variant {
        let size = attributes.resolution("RESOLUTION")
        let captions = attributes["CLOSED-CAPTIONS"].flatMap { $0 == "NONE" ? nil : String($0) }
        return HLSMultivariantPlaylist.Variant(
            uri: uri, bandwidth: attributes.integer("BANDWIDTH") ?? 0,
            averageBandwidth: attributes.integer("AVERAGE-BANDWIDTH"), codecs: attributes.list("CODECS"),
            width: size?.width, height: size?.height,
            frameRate: attributes.seconds("FRAME-RATE").map { $0.value(in: TimeBase(1, 1000)) },
            audio: attributes["AUDIO"].map(String.init), video: attributes["VIDEO"].map(String.init),
            subtitles: attributes["SUBTITLES"].map(String.init), closedCaptions: captions,
            pathway: attributes["PATHWAY-ID"].map(String.init),
            stableID: attributes["STABLE-VARIANT-ID"].map(String.init),
            videoRange: attributes["VIDEO-RANGE"].map(String.init), line: line)
    }

    private mutating func takeRendition(_ attributes: HLSAttributes) throws(HLSPlaylistError) {
        guard let kind = attributes["TYPE"].flatMap({ HLSMultivariantPlaylist.Rendition.Kind(rawValue: String($0)) })
        else { return }
        try room(multivariant.renditions.count, HLSLimits.variants, "renditions")
        let isDefault = attributes.isYes("DEFAULT")
        multivariant.renditions.append(
            HLSMultivariantPlaylist.Rendition(
                kind: kind, group: attributes["GROUP-ID"].map(String.init) ?? "",
                name: try replaced(attributes["NAME"] ?? ""), language: attributes["LANGUAGE"].map(String.init),
                uri: try attributes["URI"].map { (uri) throws(HLSPlaylistError) in try self.replaced(uri) },
                isDefault: isDefault, isAutoselect: isDefault || attributes.isYes("AUTOSELECT"),
                isForced: attributes.isYes("FORCED"), channels: attributes["CHANNELS"].map(String.init),
                characteristics: attributes.list("CHARACTERISTICS"),
                inStreamID: attributes["INSTREAM-ID"].map(String.init),
                stableID: attributes["STABLE-RENDITION-ID"].map(String.init), line: line))
    }

    private mutating func takeDateRange(_ attributes: HLSAttributes) throws(HLSPlaylistError) {
        guard let id = attributes["ID"] else { return }
        try room(media.dateRanges.count, HLSLimits.dateRanges, "date ranges")
        media.dateRanges.append(
            HLSMediaPlaylist.DateRange(
                id: try replaced(id), classID: attributes["CLASS"].map(String.init),
                start: attributes["START-DATE"].flatMap { UTCTime.parseISO($0) },
                end: attributes["END-DATE"].flatMap { UTCTime.parseISO($0) },
                duration: attributes.seconds("DURATION"), plannedDuration: attributes.seconds("PLANNED-DURATION"),
                endsOnNext: attributes.isYes("END-ON-NEXT"),
                spliceCommand: attributes.bytes("SCTE35-CMD", most: HLSLimits.section),
                spliceOut: attributes.bytes("SCTE35-OUT", most: HLSLimits.section),
                spliceIn: attributes.bytes("SCTE35-IN", most: HLSLimits.section)))
    }

    // MARK: - Variables

    private mutating func define(_ attributes: HLSAttributes) throws(HLSPlaylistError) {
        try room(variables.count, HLSLimits.variables, "variables")
        if let name = attributes["NAME"] {
            guard let value = attributes["VALUE"] else { throw error("the variable \(name.prefix(60)) has no value") }
            variables[String(name)] = String(value)
        } else if let name = attributes["IMPORT"] {
            guard let value = imported[String(name)] else {
                throw error("the variable \(name.prefix(60)) is not in the multivariant playlist")
            }
            variables[String(name)] = value
        } else if let name = attributes["QUERYPARAM"] {
            let query = URLReference(url).query ?? ""
            let pairs = Substring(query).parts(separatedBy: UInt8(ascii: "&"), limit: 256)
                .map { $0.cut(at: UInt8(ascii: "=")) }
            guard let value = pairs.first(where: { $0.head == name })?.tail else {
                throw error("the variable \(name.prefix(60)) is not in the query of the URL")
            }
            variables[String(name)] = String(decoding: String(value).percentDecoded, as: UTF8.self)
        } else {
            throw error("a variable without a name")
        }
    }

    /// With variables in place of `{$name}` (section 4.2 of the draft).
    private mutating func replaced(_ text: Substring) throws(HLSPlaylistError) -> String {
        guard text.utf8.contains(UInt8(ascii: "{")) else { return String(text) }
        var result: [UInt8] = []
        let bytes = text.utf8
        var index = bytes.startIndex
        while index < bytes.endIndex {
            let next = bytes.index(after: index)
            if bytes[index] == UInt8(ascii: "{"), next < bytes.endIndex, bytes[next] == UInt8(ascii: "$") {
                let name = bytes[bytes.index(after: next)...].prefix { $0 != UInt8(ascii: "}") }
                if name.endIndex < bytes.endIndex {
                    guard let value = variables[String(Substring(name))] else {
                        throw error("the variable \(Substring(name).prefix(60)) is not defined")
                    }
                    result += value.utf8
                    guard result.count <= HLSLimits.line else { throw error("a variable makes a line too long") }
                    index = bytes.index(after: name.endIndex)
                    continue
                }
            }
            result.append(bytes[index])
            index = next
        }
        // A short line may stand for a long one, many times over.
        replacedBytes += result.count
        guard replacedBytes <= HLSLimits.replaced else {
            throw error("variables stand for more than the \(HLSLimits.replaced) bytes allowed")
        }
        return String(decoding: result, as: UTF8.self)
    }
}
