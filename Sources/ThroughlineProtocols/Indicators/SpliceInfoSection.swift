internal import ThroughlineCore

/// A cue message of ANSI/SCTE 35 2022: the splice_info_section (section 9.6), with what of its commands (section 9.7)
/// and descriptors (section 10) says that the content changes.
///
/// Times are in ticks of 90 kHz: those of a place in the stream have 33 bits and are as written, without
/// `ptsAdjustment`, which `time` adds.
package struct SpliceInfoSection: Hashable, Sendable {
    package static let tableID: UInt8 = 0xFC
    /// `CUEI`, with which the standard marks its own descriptors.
    package static let identifier: UInt32 = 0x4355_4549
    /// More than this, descriptors or components, are no cue message.
    static let mostItems = 255

    package enum Command: Hashable, Sendable {
        /// splice_null: a sign of life.
        case null
        case insert(SpliceInsert)
        /// time_signal: the meaning is in the descriptors. A time of nil means at once.
        case timeSignal(ticks: UInt64?)
        /// splice_schedule, bandwidth_reservation, private_command and what is reserved: not read.
        case other(type: UInt8)
        /// The message is encrypted; nothing of it, nor of its descriptors, can be read.
        case encrypted
    }

    /// Added to every time in the message: 33 bits.
    package var ptsAdjustment: UInt64
    /// 12 bits; 0xFFF for everybody.
    package var tier: UInt16
    package var command: Command
    package var descriptors: [SpliceDescriptor]

    package init(
        command: Command, ptsAdjustment: UInt64 = 0, tier: UInt16 = 0xFFF, descriptors: [SpliceDescriptor] = []
    ) {
        self.command = command
        self.ptsAdjustment = ptsAdjustment
        self.tier = tier
        self.descriptors = descriptors
    }

    /// A time of this message on the clock of the stream: the adjustment added, and the carry dropped (section 9.6).
    package func time(_ ticks: UInt64) -> UInt64 { (ticks &+ ptsAdjustment) % StreamClock.turn }
}

/// splice_insert (section 9.7.3).
package struct SpliceInsert: Hashable, Sendable {
    /// When the splice is made.
    package enum Place: Hashable, Sendable {
        /// At the nearest opportunity.
        case immediate
        /// Every flow at one time; nil where none is specified, which means at the nearest opportunity as well.
        case program(ticks: UInt64?)
        /// Each component by itself.
        case components([Component])
    }

    package struct Component: Hashable, Sendable {
        /// component_tag.
        package var tag: UInt8
        /// Nil for the nearest opportunity.
        package var ticks: UInt64?

        package init(tag: UInt8, ticks: UInt64?) {
            self.tag = tag
            self.ticks = ticks
        }
    }

    /// break_duration (section 9.8.2).
    package struct Break: Hashable, Sendable {
        /// The network is returned to when the time is over, without another message.
        package var returns: Bool
        /// 33 bits.
        package var ticks: UInt64

        package init(returns: Bool, ticks: UInt64) {
            self.returns = returns
            self.ticks = ticks
        }
    }

    /// What an insert says that is not a cancellation.
    package struct Splice: Hashable, Sendable {
        /// Leaves the network feed; otherwise returns to it.
        package var isOut: Bool
        package var place: Place
        package var duration: Break?
        package var programID: UInt16
        package var avail: UInt8
        package var availsExpected: UInt8

        package init(
            isOut: Bool, place: Place, duration: Break? = nil, programID: UInt16 = 0, avail: UInt8 = 0,
            availsExpected: UInt8 = 0
        ) {
            self.isOut = isOut
            self.place = place
            self.duration = duration
            self.programID = programID
            self.avail = avail
            self.availsExpected = availsExpected
        }
    }

    package var event: UInt32
    /// Nil cancels the event.
    package var splice: Splice?

    package init(event: UInt32, splice: Splice?) {
        self.event = event
        self.splice = splice
    }
}

package enum SpliceDescriptor: Hashable, Sendable {
    /// avail_descriptor (section 10.3.1): provider_avail_id.
    case avail(UInt32)
    case segmentation(SegmentationDescriptor)
    /// DTMF, time, audio, and those of others: not read.
    case other(tag: UInt8)
}

/// segmentation_descriptor (section 10.3.3).
package struct SegmentationDescriptor: Hashable, Sendable {
    /// segmentation_type_id (table 23); of some 60, those that tests and texts name.
    package struct Kind: RawRepresentable, Hashable, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }

        package static let contentIdentification = Kind(rawValue: 0x01)
        package static let programStart = Kind(rawValue: 0x10)
        package static let programEnd = Kind(rawValue: 0x11)
        package static let programOverlapStart = Kind(rawValue: 0x17)
        package static let programBlackoutOverride = Kind(rawValue: 0x18)
        package static let providerPlacementStart = Kind(rawValue: 0x34)
        package static let providerPlacementEnd = Kind(rawValue: 0x35)
    }

    /// What a descriptor says that is not a cancellation.
    package struct Segment: Hashable, Sendable {
        package struct Component: Hashable, Sendable {
            package var tag: UInt8
            /// Added to the time of the signal: 33 bits.
            package var offset: UInt64

            package init(tag: UInt8, offset: UInt64) {
                self.tag = tag
                self.offset = offset
            }
        }

        package var kind: Kind
        /// Nil when the segment is one of the whole programme.
        package var components: [Component]?
        /// 40 bits, 90 kHz.
        package var ticks: UInt64?
        /// The five bits of delivery restrictions as they are written; nil for none.
        package var restrictions: UInt8?
        /// segmentation_upid_type and the identifier.
        package var upidType: UInt8
        package var upid: [UInt8]
        package var number: UInt8
        package var expected: UInt8
        package var subNumber: UInt8?
        package var subExpected: UInt8?

        package init(
            kind: Kind, components: [Component]? = nil, ticks: UInt64? = nil, restrictions: UInt8? = nil,
            upidType: UInt8 = 0, upid: [UInt8] = [], number: UInt8 = 0, expected: UInt8 = 0, subNumber: UInt8? = nil,
            subExpected: UInt8? = nil
        ) {
            self.kind = kind
            self.components = components
            self.ticks = ticks
            self.restrictions = restrictions
            self.upidType = upidType
            self.upid = upid
            self.number = number
            self.expected = expected
            self.subNumber = subNumber
            self.subExpected = subExpected
        }
    }

    package var event: UInt32
    /// Nil cancels the event.
    package var segment: Segment?

    package init(event: UInt32, segment: Segment?) {
        self.event = event
        self.segment = segment
    }
}

/// Why bytes are not taken for a cue message.
package enum SpliceSectionError: Error, Hashable, Sendable {
    /// Shorter than they say, or than any such section is.
    case truncated
    /// Not table 0xFC, or a protocol version after 0.
    case unsupported
    /// The checksum does not hold.
    case corrupt
    /// Lengths inside do not fit together, or a value is not allowed.
    case malformed
}
