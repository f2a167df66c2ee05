/// Takes the payload of RTP packets apart into frames of AAC, and puts frames together that several packets carry: the
/// `mpeg4-generic` payload (RFC 3640), as far as its modes for AAC go. Frames that are interleaved come as they are sent.
package struct MPEG4Unpacker: Hashable, Sendable {
    /// More than any frame has.
    private static let limit = 1 << 16

    private let sizeLength: Int
    private let indexLength: Int
    private let indexDeltaLength: Int
    private let constantSize: Int
    /// Lengths of what may follow in a header behind a bit that says whether it does.
    private let timeLengths: [Int]
    private let hasAccessIndication: Bool
    private let stateLength: Int
    private let auxiliaryLength: Int
    /// What came of a frame so far, how long it is, and its timestamp.
    private var cut: [UInt8] = []
    private var cutSize = 0
    private var cutTimestamp: UInt32 = 0

    /// Nil where the parameters do not say how frames are told apart.
    ///
    /// - Parameter parameters: the value of `a=fmtp` without the payload type.
    package init?(parameters: String?) {
        let parameters = FormatParameters(parameters)
        func length(_ name: String) -> Int? {
            let value = parameters.number(name) ?? 0
            return value <= 32 ? value : nil
        }
        guard let size = length("sizelength"), let index = length("indexlength"),
            let delta = length("indexdeltalength"), let cts = length("ctsdeltalength"),
            let dts = length("dtsdeltalength"), let state = length("streamstateindication"),
            let auxiliary = length("auxiliarydatasizelength")
        else { return nil }
        (sizeLength, indexLength, indexDeltaLength) = (size, index, delta)
        timeLengths = [cts, dts]
        hasAccessIndication = parameters.number("randomaccessindication") == 1
        (stateLength, auxiliaryLength) = (state, auxiliary)
        constantSize = min(parameters.number("constantsize") ?? 0, Self.limit)
        guard sizeLength > 0 || constantSize > 0 else { return nil }
    }

    /// Packets were lost: what came of a frame is of no use.
    package mutating func lost() { cut.removeAll(keepingCapacity: true) }

    /// Calls `body` with each frame that is whole now, in order; its bytes are valid during the call.
    ///
    /// - Parameter endsUnit: the marker: the packet ends a frame.
    /// - Returns: false where the payload is not in good order; frames before that have been given.
    package mutating func unpack(
        _ payload: UnsafeRawBufferPointer, timestamp: UInt32, endsUnit: Bool, _ body: (UnsafeRawBufferPointer) -> Void
    ) -> Bool {
        var sizes: [Int] = []
        guard var offset = readHeaders(payload, into: &sizes), offset < payload.count else {
            lost()
            return false
        }
        if sizes.isEmpty {
            // Without headers all frames are of the same size.
            guard constantSize > 0 else { return false }
            sizes = Array(repeating: constantSize, count: max(1, (payload.count - offset) / constantSize))
        }
        if sizes.count == 1, !cut.isEmpty || sizes[0] > payload.count - offset {
            return join(payload.part(offset..<payload.count), sizes[0], timestamp, endsUnit, body)
        }
        lost()
        for size in sizes {
            guard size <= payload.count - offset else { return false }
            if size > 0 { body(payload.part(offset..<offset + size)) }
            offset += size
        }
        return true
    }

    /// A part of a frame, or one that is whole after others that were not.
    private mutating func join(
        _ part: UnsafeRawBufferPointer, _ size: Int, _ timestamp: UInt32, _ endsUnit: Bool,
        _ body: (UnsafeRawBufferPointer) -> Void
    ) -> Bool {
        let goesOn = !cut.isEmpty && timestamp == cutTimestamp && size == cutSize
        if !goesOn { cut.removeAll(keepingCapacity: true) }
        guard (1...Self.limit).contains(size) else { return false }
        (cutSize, cutTimestamp) = (size, timestamp)
        cut.append(contentsOf: part.prefix(size - cut.count))
        guard cut.count == size else {
            // The end of a frame whose beginning did not come.
            if endsUnit { lost() }
            return !endsUnit
        }
        cut.withUnsafeBytes(body)
        cut.removeAll(keepingCapacity: true)
        return true
    }

    /// Reads the section of headers (RFC 3640 section 3.2.1), and passes over that of auxiliary data (section 3.2.2).
    ///
    /// - Returns: where the frames begin; nil where a section reaches beyond the payload.
    private func readHeaders(_ payload: UnsafeRawBufferPointer, into sizes: inout [Int]) -> Int? {
        var offset = 0
        if hasHeaders {
            guard payload.count >= 2 else { return nil }
            let bits = Int(payload.bigEndian16(at: 0))
            offset = 2 + (bits + 7) / 8
            guard offset <= payload.count else { return nil }
            var reader = BitReader(payload.part(2..<offset))
            var used = 0
            // What is left at the end may be too short for another header, and a header of no bits would have no end.
            while used < bits {
                let before = used
                guard let size = try? readHeader(&reader, isFirst: sizes.isEmpty, &used), used <= bits else { break }
                if used == before, !sizes.isEmpty { break }
                sizes.append(size)
            }
            guard !sizes.isEmpty else { return nil }
        }
        guard auxiliaryLength > 0 else { return offset }
        var reader = BitReader(payload.part(offset..<payload.count))
        guard let bits = try? reader.bits(auxiliaryLength), bits <= UInt32(payload.count) * 8 else { return nil }
        return offset + (auxiliaryLength + Int(bits) + 7) / 8
    }

    private var hasHeaders: Bool {
        hasAccessIndication || [sizeLength, indexLength, indexDeltaLength, stateLength].contains { $0 > 0 }
            || timeLengths.contains { $0 > 0 }
    }

    /// - Parameter used: counts the bits.
    /// - Returns: how long the frame is.
    private func readHeader(
        _ reader: inout BitReader, isFirst: Bool, _ used: inout Int
    ) throws(BitstreamError) -> Int {
        let size = sizeLength > 0 ? Int(try reader.bits(sizeLength)) : constantSize
        let index = isFirst ? indexLength : indexDeltaLength
        try reader.skip(index)
        used += sizeLength + index
        for length in timeLengths where length > 0 {
            used += 1
            guard try reader.flag() else { continue }
            try reader.skip(length)
            used += length
        }
        let rest = (hasAccessIndication ? 1 : 0) + stateLength
        try reader.skip(rest)
        used += rest
        return size
    }
}
