/// The video codecs whose packets are made of NAL units.
package enum VideoCodec: Hashable, Sendable, CaseIterable {
    case h264
    case hevc
}
