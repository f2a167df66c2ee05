package import ThroughlineCore

/// Finds the ID3 tags in front of and between the frames of raw audio (ADTS, MPEG audio), which have no container that
/// would say where they are.
///
/// Walks from frame to frame, so that what looks like a tag inside of a frame is none, and keeps bytes only of a header
/// or a tag that is cut by the end of a piece.
package struct PackedAudioScanner: Sendable {
    package struct Finding: Hashable, Sendable {
        package let tag: ID3Tag
        /// Bytes before the tag.
        package let offset: Int64
        /// How long the frames before it last.
        package let time: MediaTime
    }

    /// Bytes fed so far.
    package private(set) var offset: Int64 = 0
    /// How long the frames so far last, each counted when its header was seen.
    package private(set) var time = MediaTime.zero
    /// Bytes that belong to no frame and no tag.
    package private(set) var strayBytes: Int64 = 0

    /// A header, or a tag, of which the end is not there yet.
    private var kept: [UInt8] = []
    /// Bytes of a frame, or of a tag that is not read, that are passed over.
    private var skipping = 0

    package init() {}

    /// Takes the next piece, of any size, and gives the tags that end in it, in their order.
    package mutating func feed(_ piece: UnsafeRawBufferPointer) -> [Finding] {
        var found: [Finding] = []
        var rest = piece
        offset += Int64(piece.count)
        while !kept.isEmpty {
            // Enough to see what it is; then, of a tag, all.
            let size = kept.withUnsafeBytes { Self.tagSize($0) } ?? ID3Tag.Header.size
            let taken = min(size - kept.count, rest.count)
            kept.append(contentsOf: rest.prefix(taken))
            rest = rest.part(taken..<rest.count)
            guard kept.count == size else { return found }
            // A tag of which only the header is here gets its turn in the next round.
            if let size = kept.withUnsafeBytes({ Self.tagSize($0) }), size > kept.count { continue }
            let bytes = kept
            let left = bytes.withUnsafeBytes { scan($0, behind: rest.count, &found) }
            kept.removeFirst(bytes.count - left)
        }
        let left = scan(rest, behind: 0, &found)
        kept = Array(rest.suffix(left))
        return found
    }

    /// The size of the tag that begins here and is worth reading.
    private static func tagSize(_ bytes: UnsafeRawBufferPointer) -> Int? {
        guard let header = ID3Tag.Header(bytes), header.tagSize <= ID3Tag.largest else { return nil }
        return header.tagSize
    }

    /// - Parameter behind: bytes that were fed and come after these.
    /// - Returns: how many bytes at the end have to be kept.
    private mutating func scan(_ bytes: UnsafeRawBufferPointer, behind: Int, _ found: inout [Finding]) -> Int {
        var at = 0
        while at < bytes.count {
            if skipping > 0 {
                let step = min(skipping, bytes.count - at)
                skipping -= step
                at += step
                continue
            }
            let rest = bytes.part(at..<bytes.count)
            guard rest.count >= ID3Tag.Header.size else {
                // Too short for a header; what cannot begin one is not kept.
                guard rest[0] == 0xFF || rest[0] == 0x49 else {
                    at += 1
                    strayBytes += 1
                    continue
                }
                return rest.count
            }
            if let header = ID3Tag.Header(rest) {
                guard header.tagSize <= ID3Tag.largest else {
                    skipping = header.tagSize
                    continue
                }
                guard header.tagSize <= rest.count else { return rest.count }
                if let tag = try? ID3Tag(rest) {
                    found.append(Finding(tag: tag, offset: offset - Int64(behind + rest.count), time: time))
                }
                at += header.tagSize
            } else if let header = ADTSHeader(rest) {
                let samples = Int64(header.blockCount) * 1024
                add(samples: samples, of: header.configuration.samplingFrequencyHz)
                skipping = header.frameLength
            } else if let header = MPEGAudioHeader(rest), header.frameLength >= MPEGAudioHeader.size {
                add(samples: Int64(header.samples), of: header.samplingFrequencyHz)
                skipping = header.frameLength
            } else {
                at += 1
                strayBytes += 1
            }
        }
        return 0
    }

    private mutating func add(samples: Int64, of frequency: Int) {
        guard let frequency = Int32(exactly: frequency), frequency > 0 else { return }
        time += MediaTime(value: samples, timeBase: TimeBase(1, frequency)) ?? .zero
    }
}
