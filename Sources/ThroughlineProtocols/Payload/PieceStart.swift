/// How a piece of an access unit begins, as it comes out of one RTP packet (RFC 6184 section 5, RFC 7798 section 4): with a
/// NAL unit, or with a later fragment of one.
package enum PieceStart: Hashable, Sendable {
    /// With the first slice of a picture: nothing of the picture is missing before it.
    case picture
    /// With what stands before the first slice: a delimiter, parameter sets, SEI.
    case prefix
    /// With another slice of a picture.
    case slice
    /// With what follows a picture, or means nothing: the end of a sequence, filler.
    case trailing
    /// With no unit: a later fragment.
    case fragment

    /// - Parameter unit: a NAL unit without its start code, or as much of its front as tells.
    package init(unit: UnsafeRawBufferPointer, codec: VideoCodec) {
        self = .trailing
        guard let header = NALUnitHeader(unit, codec: codec) else { return }
        switch codec {
        case .h264:
            switch header.type {
            // `first_mb_in_slice` is 0, which is one bit set (section 7.3.3).
            case 1, 2, 5: self = unit.count > 1 && unit[1] & 0x80 != 0 ? .picture : .slice
            case 3, 4, 19...21: self = .slice
            // A picture begins before any of these (section 7.4.1.2.3).
            case 6...9, 14...18: self = .prefix
            default: break
            }
        case .hevc:
            // Units of other layers belong to the picture before them.
            guard header.layerID == 0 else { return }
            switch header.type {
            // `first_slice_segment_in_pic_flag` (section 7.3.6.1).
            case 0...31: self = unit.count > 2 && unit[2] & 0x80 != 0 ? .picture : .slice
            // Section 7.4.2.4.4.
            case 32...35, 39, 41...44, 48...55: self = .prefix
            default: break
            }
        }
    }
}
