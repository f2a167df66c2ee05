internal import ThroughlineProtocols

/// Puts the access units of one flow of pictures together from the pieces that RTP packets carry, and tells those that
/// lack something from those that are whole.
///
/// An access unit is all that carries one timestamp. It is complete with the marker bit (RFC 6184 section 5.1), or when
/// another timestamp comes, from senders that set none. Where a seek has left many pictures with one timestamp, the marker
/// alone parts them. Of H.264 and HEVC it is seen in the bytes where a picture begins, so that a loss between two pictures
/// harms neither; of other codecs the unit after a loss is taken for harmed.
///
/// Parameter sets and the like that are sent before a picture, under a marker or a timestamp of their own, are kept and
/// become the front of that picture.
struct AccessUnitAssembler {
    /// More than any picture has; a sender that goes beyond is broken.
    static let limit = 32 << 20

    enum Closing {
        /// `bytes` holds a whole access unit, until the next piece is added.
        case whole
        /// An access unit that lacks something, or is none, was dropped.
        case damaged
        /// There was nothing to close, or nothing but the front of a picture, which is kept.
        case nothing
    }

    /// Nil for codecs of which it is not known how a picture begins.
    private let codec: VideoCodec?

    private(set) var bytes: [UInt8] = []
    private(set) var timestamp: UInt32 = 0
    private(set) var isOpen = false
    private var isDamaged = false
    private var hasPicture = false
    /// Something was lost after the last unit: where the next one begins must be seen.
    private var needsStart: Bool
    /// The unit before ended with a marker, with nothing lost since.
    private var closedByMarker = false
    /// The sender marks other packets than the last of a picture: markers are not believed any more.
    private(set) var markersLie = false
    /// Whether a marker was ever seen to end a picture.
    private(set) var usesMarkers = false
    /// What `close` has handed out is still in `bytes`.
    private var isSpent = false

    init(codec: VideoCodec?) {
        self.codec = codec
        needsStart = codec != nil
    }

    /// What follows is another part of the flow.
    mutating func restart() {
        clear()
        isOpen = false
        closedByMarker = false
        needsStart = codec != nil
    }

    private mutating func clear() {
        bytes.removeAll(keepingCapacity: true)
        isDamaged = false
        hasPicture = false
        isSpent = false
    }

    /// Packets were lost after the last one that came.
    mutating func lost() {
        closedByMarker = false
        needsStart = true
        guard isOpen else { return }
        if hasPicture {
            isDamaged = true
        } else {
            // The picture that this was the front of may be gone.
            clear()
            isOpen = false
        }
    }

    /// Whether a packet with this timestamp shows that the open unit is complete.
    func isEnded(by timestamp: UInt32) -> Bool { isOpen && timestamp != self.timestamp }

    /// Whether a piece of the same timestamp begins another picture than the open one: after a loss, or where markers are
    /// not believed.
    func isEnded(by start: PieceStart) -> Bool {
        guard isOpen, hasPicture, isDamaged || markersLie else { return false }
        return start == .picture || start == .prefix
    }

    /// Adds a piece of a NAL unit to the open access unit, or to a new one.
    mutating func add(_ piece: NALUnpacker.Piece, of payload: UnsafeRawBufferPointer, timestamp: UInt32) {
        guard begin(piece.start, timestamp: timestamp, count: piece.range.count + 6) else { return }
        if piece.start != .fragment { bytes.append(contentsOf: [0, 0, 0, 1]) }
        if let header = piece.header {
            bytes.append(header.0)
            if let second = header.1 { bytes.append(second) }
        }
        bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: payload[piece.range]))
    }

    /// Adds what a packet carries of a codec of which it is not known how a picture begins.
    mutating func add(_ piece: UnsafeRawBufferPointer, timestamp: UInt32) {
        guard !piece.isEmpty, begin(nil, timestamp: timestamp, count: piece.count) else { return }
        bytes.append(contentsOf: piece)
    }

    /// A piece has come.
    ///
    /// - Returns: whether its bytes belong to the open unit, and are wanted.
    private mutating func begin(_ start: PieceStart?, timestamp: UInt32, count: Int) -> Bool {
        if isSpent { clear() }
        // It belongs to what was lost.
        if needsStart, start == .trailing { return false }
        if !isOpen {
            if closedByMarker, start == .slice, timestamp == self.timestamp {
                // A picture goes on behind its marker.
                markersLie = true
                isDamaged = true
            }
            isOpen = true
        }
        self.timestamp = timestamp
        closedByMarker = false
        if needsStart {
            needsStart = false
            if start != .picture, start != .prefix { isDamaged = true }
        }
        if start != .prefix, start != .trailing { hasPicture = true }
        guard !isDamaged else { return false }
        if bytes.count + count > Self.limit { isDamaged = true }
        return !isDamaged
    }

    /// The open unit has come to its end.
    ///
    /// - Parameter byMarker: and not by what came after it.
    mutating func close(byMarker: Bool) -> Closing {
        guard isOpen, !byMarker || !markersLie else { return .nothing }
        guard hasPicture else { return .nothing }
        isOpen = false
        if byMarker {
            usesMarkers = true
            closedByMarker = true
        }
        isSpent = true
        return isDamaged ? .damaged : .whole
    }
}
