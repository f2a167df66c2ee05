/// A few packets of one encode as FFmpeg 5.1 reads them from different containers, made with
///
///     ffmpeg -f lavfi -i testsrc=size=64x64:rate=25 -frames:v 7 -pix_fmt yuv420p -c:v libx264 -x264-params \
///         keyint=4:min-keyint=1:open-gop=1:bframes=2:b-adapt=0:scenecut=0:qp=48:ref=1:slices=2 h264.mp4
///     ffmpeg -f lavfi -i testsrc=size=64x64:rate=25 -frames:v 8 -pix_fmt yuv420p -c:v libx265 -x265-params \
///         info=0:keyint=5:min-keyint=1:open-gop=1:bframes=2:b-adapt=0:scenecut=0:qp=48 hevc.mp4
///     ffmpeg -f lavfi -i sine=duration=0.2:sample_rate=48000 -c:a aac -b:a 32k aac.mp4
///     ffmpeg -i h264.mp4 -c copy h264.ts
///
/// and taken out with `ffprobe -show_packets -show_streams -show_data`.
struct Fixture: Sendable {
    struct Packet: Sendable {
        let isKey: Bool
        let bytes: [UInt8]
    }

    let extradata: [UInt8]
    let packets: [Packet]

    private init(extradata: String, packets: [(isKey: Bool, hex: String)]) {
        self.extradata = bytes(hex: extradata)
        self.packets = packets.map { Packet(isKey: $0.isKey, bytes: bytes(hex: $0.hex)) }
    }

    static let h264InMP4 = Fixture(
        extradata: "0164000affe100186764000aacd94426c044000003000400000300c83c48965801000668ef8164b22cfdf8f800",
        packets: [
            (
                true,
                """
                000002840605ffff80dc45e9bde6d948b7962cd820d923eeef78323634202d20636f72652031363420723330393520\
                62616565343030202d20482e3236342f4d5045472d342041564320636f646563202d20436f70796c65667420323030\
                332d32303232202d20687474703a2f2f7777772e766964656f6c616e2e6f72672f783236342e68746d6c202d206f70\
                74696f6e733a2063616261633d31207265663d31206465626c6f636b3d313a303a3020616e616c7973653d3078333a\
                3078313133206d653d686578207375626d653d37207073793d31207073795f72643d312e30303a302e3030206d6978\
                65645f7265663d30206d655f72616e67653d3136206368726f6d615f6d653d31207472656c6c69733d312038783864\
                63743d312063716d3d3020646561647a6f6e653d32312c313120666173745f70736b69703d31206368726f6d615f71\
                705f6f66667365743d2d3220746872656164733d32206c6f6f6b61686561645f746872656164733d3120736c696365\
                645f746872656164733d3020736c696365733d32206e723d3020646563696d6174653d3120696e7465726c61636564\
                3d3020626c757261795f636f6d7061743d3020636f6e73747261696e65645f696e7472613d3020626672616d65733d\
                3220625f707972616d69643d3220625f61646170743d3020625f626961733d30206469726563743d31207765696768\
                74623d31206f70656e5f676f703d3120776569676874703d32206b6579696e743d34206b6579696e745f6d696e3d31\
                207363656e656375743d3020696e7472615f726566726573683d302072633d637170206d62747265653d302071703d\
                34382069705f726174696f3d312e34302070625f726174696f3d312e33302061713d300080000000a365888400ffd0\
                db28b32a4fa6dd920bef55b91065b42250cfeb082e0f61fcb86e3b80ca0a9b99ddbc25cc3dfb4c6222884a9bbbb067\
                aa2f497461e103f08bf8ec3561ccae8da3a323b43f29a997634ca088a922d511ebe119edb2b16b4eb0071baa730863\
                049c7c57f28d9f980e6ceb4dbc8d7339fe73ecdbe5a207f8961e8bc01290260cacf1b067c95967f8c8d6c3e7a07ed2\
                9aca59921ea13db4e16cc2733f349df1000000b36512221003ffd44d5ffd43b2922c4d61f8b36b73cfe4b1dc7f9fc3\
                5fd7c021b7e0745553d25f7a9fa337bfc8c94904335fdab3d5546a98b1ac383c2f8fc578e76297b823e45ddec036d5\
                b2aa1424324aaaa733ac0ea1ca8df4c3f964bb85de332e430d0455551a4fabbe58046db9404d46edc04382b684ab7c\
                435223202d6cf6b2f290e86781d3cd36814575636791ef07afac299af4bba08035c1d365b552402bae7c80c1af699c\
                8cbcffe87e39ce918dbbc1
                """
            ),
            (
                false,
                "00000007419a2318ff97800000000e4112688c63ffe343d5e6bab53f73"
            ),
            (
                false,
                "00000007419e4142bfcb8100000009411279050afff0e0c1"
            ),
            (
                false,
                "00000007019e62449fcd800000000901127989127ff1e5c0"
            ),
            (
                true,
                """
                00000005060601c480000000a341889903ffd0db28b32a4fa6dd920bef55b91065b42250cfeb082e0f61fcb86e3b80\
                ca0a9b99ddbc25cc3dfb4c6222884a9bbbb067aa2f497461e103f08bf8ec3561ccae8da3a323b43f29a997634ca088\
                a922d511ebe119edb2b16b4eb0071baa730863049c7c57f28d9f980e6ceb4dbc8d7339fe73ecdbe5a207f8961e8bc0\
                1290260cacf1b067c95967f8c8d6c3e7a07ed29aca59921ea13db4e16cc2733f349df1000000b6411222640fffd44d\
                5ffd43b2922c4d61f8b36b73cfe4b1dc7f9fc35fd7c021b7e0745553d25f7a9fa337bfc8c94904335fdab3d5546a98\
                b1ac383c2f8fc5833fcb9c6bc34e284bc0d30eea27bd08681f2540b141d81fea3e546f981fa8f272a605c9f8a1dd3f\
                3789f0a9f0a134be72806764bc0ae529c4b382be5215e41a553db167ff72ee8207c1c9b2527cfd2bdd919d9e4e8eb1\
                e11f8f7a0472b3a03a625002fa21bd6768f8bcee1238dc6a37ff43f5954c31f83f
                """
            ),
            (
                false,
                "0000000b419a863932889a5fff97810000001141126a18e4ca22697fe34389f60ed23965"
            ),
            (
                false,
                "00000007019ea5449fcd810000000901127a95127ff1e5c1"
            ),
        ])

    static let h264InTS = Fixture(
        extradata: "0000016764000aacd94426c044000003000400000300c83c4896580000000168ef8164b22c",
        packets: [
            (
                true,
                """
                0000000109f0000000010605ffff80dc45e9bde6d948b7962cd820d923eeef78323634202d20636f72652031363420\
                72333039352062616565343030202d20482e3236342f4d5045472d342041564320636f646563202d20436f70796c65\
                667420323030332d32303232202d20687474703a2f2f7777772e766964656f6c616e2e6f72672f783236342e68746d\
                6c202d206f7074696f6e733a2063616261633d31207265663d31206465626c6f636b3d313a303a3020616e616c7973\
                653d3078333a3078313133206d653d686578207375626d653d37207073793d31207073795f72643d312e30303a302e\
                3030206d697865645f7265663d30206d655f72616e67653d3136206368726f6d615f6d653d31207472656c6c69733d\
                31203878386463743d312063716d3d3020646561647a6f6e653d32312c313120666173745f70736b69703d31206368\
                726f6d615f71705f6f66667365743d2d3220746872656164733d32206c6f6f6b61686561645f746872656164733d31\
                20736c696365645f746872656164733d3020736c696365733d32206e723d3020646563696d6174653d3120696e7465\
                726c616365643d3020626c757261795f636f6d7061743d3020636f6e73747261696e65645f696e7472613d30206266\
                72616d65733d3220625f707972616d69643d3220625f61646170743d3020625f626961733d30206469726563743d31\
                20776569676874623d31206f70656e5f676f703d3120776569676874703d32206b6579696e743d34206b6579696e74\
                5f6d696e3d31207363656e656375743d3020696e7472615f726566726573683d302072633d637170206d6274726565\
                3d302071703d34382069705f726174696f3d312e34302070625f726174696f3d312e33302061713d30008000000001\
                6764000aacd94426c044000003000400000300c83c4896580000000168ef8164b22c00000165888400ffd0db28b32a\
                4fa6dd920bef55b91065b42250cfeb082e0f61fcb86e3b80ca0a9b99ddbc25cc3dfb4c6222884a9bbbb067aa2f4974\
                61e103f08bf8ec3561ccae8da3a323b43f29a997634ca088a922d511ebe119edb2b16b4eb0071baa730863049c7c57\
                f28d9f980e6ceb4dbc8d7339fe73ecdbe5a207f8961e8bc01290260cacf1b067c95967f8c8d6c3e7a07ed29aca5992\
                1ea13db4e16cc2733f349df10000016512221003ffd44d5ffd43b2922c4d61f8b36b73cfe4b1dc7f9fc35fd7c021b7\
                e0745553d25f7a9fa337bfc8c94904335fdab3d5546a98b1ac383c2f8fc578e76297b823e45ddec036d5b2aa142432\
                4aaaa733ac0ea1ca8df4c3f964bb85de332e430d0455551a4fabbe58046db9404d46edc04382b684ab7c435223202d\
                6cf6b2f290e86781d3cd36814575636791ef07afac299af4bba08035c1d365b552402bae7c80c1af699c8cbcffe87e\
                39ce918dbbc1
                """
            ),
            (
                false,
                "0000000109f000000001419a2318ff97800000014112688c63ffe343d5e6bab53f73"
            ),
            (
                false,
                "0000000109f000000001419e4142bfcb81000001411279050afff0e0c1"
            ),
            (
                false,
                "0000000109f000000001019e62449fcd8000000101127989127ff1e5c0"
            ),
            (
                true,
                """
                0000000109f000000001060601c48000000141889903ffd0db28b32a4fa6dd920bef55b91065b42250cfeb082e0f61\
                fcb86e3b80ca0a9b99ddbc25cc3dfb4c6222884a9bbbb067aa2f497461e103f08bf8ec3561ccae8da3a323b43f29a9\
                97634ca088a922d511ebe119edb2b16b4eb0071baa730863049c7c57f28d9f980e6ceb4dbc8d7339fe73ecdbe5a207\
                f8961e8bc01290260cacf1b067c95967f8c8d6c3e7a07ed29aca59921ea13db4e16cc2733f349df100000141122264\
                0fffd44d5ffd43b2922c4d61f8b36b73cfe4b1dc7f9fc35fd7c021b7e0745553d25f7a9fa337bfc8c94904335fdab3\
                d5546a98b1ac383c2f8fc5833fcb9c6bc34e284bc0d30eea27bd08681f2540b141d81fea3e546f981fa8f272a605c9\
                f8a1dd3f3789f0a9f0a134be72806764bc0ae529c4b382be5215e41a553db167ff72ee8207c1c9b2527cfd2bdd919d\
                9e4e8eb1e11f8f7a0472b3a03a625002fa21bd6768f8bcee1238dc6a37ff43f5954c31f83f
                """
            ),
            (
                false,
                "0000000109f000000001419a863932889a5fff978100000141126a18e4ca22697fe34389f60ed23965"
            ),
            (
                false,
                "0000000109f000000001019ea5449fcd8100000101127a95127ff1e5c1"
            ),
        ])

    static let hevcInMP4 = Fixture(
        extradata: """
            0101600000009000000000001ef000fcfdf8f800000f03200001001840010c01ffff01600000030090000003000003001e\
            959009210001002842010101600000030090000003000003001ea020810596564924caf0168080000003008000000c8422\
            000100064401c171a112
            """,
        packets: [
            (
                true,
                """
                000001032801af04d8dfabe3e16be2ef2f4672dea49273f2cc10423d71b04e69674543f08ca795a6192879013aff71\
                bfd563c5660863fbb707217217a9572f3da9f712de0fa4d45a1d0ae7e55b8df8d81f5cafa4ec6e24d5fc687719e723\
                b1ed99fba5396c50a86145566c535d5de95e896fc1053bd7c0fbfa8d419543c262c71fefb773e30bfdd414fd594e0c\
                40d2f5d61ac6d48340296211fa688c30ed7d92f6600c4f38c55abd24caebff19596106eee17f116464ec9a30390611\
                56dc763319f992adc73b807e747ba677446f6717b36c331e7bd44f904976d60d9667134baf0fe216b19ffa614489ff\
                4c6b3a5bc827e5d72b1136ae558d37f1dff14fd27ca4627287735824
                """
            ),
            (
                false,
                "0000000c0201d0195f843182c4fe8270"
            ),
            (
                false,
                "0000000a0201e04497e182e4e6f6"
            ),
            (
                false,
                "0000000b0001e024fffa2c1860e7ee"
            ),
            (
                true,
                """
                000001072a01ac144a49c132dfabe3e16be2ef2f4672dea49273f2cc10423d71b04e69674543f08ca795a619287901\
                3aff71bfd563c5660863fbb707217217a9572f3da9f712de0fa4d45a1d0ae7e55b8df8d81f5cafa4ec6e24d5fc6877\
                19e723b1ed99fba5396c50a86145566c535d5de95e896fc1053bd7c0fbfa8d419543c262c71fefb773e30bfdd414fd\
                594e0c40d2f5d61ac6d483402962152ea190d8db34fc3aff82964b6a6bb63bf30c6f2172c12c453fdf922d9ee93c49\
                34b67b0e07711bbc6bb9896946b21b77b841ec7dfa36605026dbbee38b68ce3d516a9526a6f61c8e7a1eb8eb864e73\
                cb19f4428dfdc3a26736191fa87cfc1b65d8e15757fe59fa6471a9975addb8a8
                """
            ),
            (
                false,
                "0000000b1001e0822f5fdc60c3e7ee"
            ),
            (
                false,
                "0000000c0201d03957843182c4fe8270"
            ),
            (
                false,
                "0000000a0001e0c4bf860c30e7ee"
            ),
        ])

    static let hevcInTS = Fixture(
        extradata: """
            00000140010c01ffff01600000030090000003000003001e9590090000000142010101600000030090000003000003001e\
            a020810596564924caf0168080000003008000000c84000000014401c171a11200
            """,
        packets: [
            (
                true,
                """
                000000014601500000000140010c01ffff01600000030090000003000003001e959009000000014201010160000003\
                0090000003000003001ea020810596564924caf0168080000003008000000c84000000014401c171a1120000000128\
                01af04d8dfabe3e16be2ef2f4672dea49273f2cc10423d71b04e69674543f08ca795a6192879013aff71bfd563c566\
                0863fbb707217217a9572f3da9f712de0fa4d45a1d0ae7e55b8df8d81f5cafa4ec6e24d5fc687719e723b1ed99fba5\
                396c50a86145566c535d5de95e896fc1053bd7c0fbfa8d419543c262c71fefb773e30bfdd414fd594e0c40d2f5d61a\
                c6d48340296211fa688c30ed7d92f6600c4f38c55abd24caebff19596106eee17f116464ec9a3039061156dc763319\
                f992adc73b807e747ba677446f6717b36c331e7bd44f904976d60d9667134baf0fe216b19ffa614489ff4c6b3a5bc8\
                27e5d72b1136ae558d37f1dff14fd27ca462728773582400
                """
            ),
            (
                false,
                "000001460150000000010201d0195f843182c4fe827000"
            ),
            (
                false,
                "000001460150000000010201e04497e182e4e6f600"
            ),
            (
                false,
                "000001460150000000010001e024fffa2c1860e7ee00"
            ),
            (
                true,
                """
                0000014601500000000140010c01ffff01600000030090000003000003001e95900900000001420101016000000300\
                90000003000003001ea020810596564924caf0168080000003008000000c84000000014401c171a112000000012a01\
                ac144a49c132dfabe3e16be2ef2f4672dea49273f2cc10423d71b04e69674543f08ca795a6192879013aff71bfd563\
                c5660863fbb707217217a9572f3da9f712de0fa4d45a1d0ae7e55b8df8d81f5cafa4ec6e24d5fc687719e723b1ed99\
                fba5396c50a86145566c535d5de95e896fc1053bd7c0fbfa8d419543c262c71fefb773e30bfdd414fd594e0c40d2f5\
                d61ac6d483402962152ea190d8db34fc3aff82964b6a6bb63bf30c6f2172c12c453fdf922d9ee93c4934b67b0e0771\
                1bbc6bb9896946b21b77b841ec7dfa36605026dbbee38b68ce3d516a9526a6f61c8e7a1eb8eb864e73cb19f4428dfd\
                c3a26736191fa87cfc1b65d8e15757fe59fa6471a9975addb8a800
                """
            ),
            (
                false,
                "000001460150000000011001e0822f5fdc60c3e7ee00"
            ),
            (
                false,
                "000001460150000000010201d03957843182c4fe827000"
            ),
            (
                false,
                "000001460150000000010001e0c4bf860c30e7ee"
            ),
        ])

    static let aacInMP4 = Fixture(
        extradata: "118856e500",
        packets: [
            (
                true,
                """
                de02004c61766335392e33372e313030000268a359a1288d35874a995f6f8a711e697b92243c2249fffeae481374c3\
                7362b4f5b36d748babb83b668efc37b8b056ca9ad3252255cdb519ccb44a44a4489929128181819103031b366c1819\
                122446cd9b368912296596cdc012a2e237044aa9c8d64d8d708cf6d15748ce5d056c8cd392aa1c069929c9a26b9296\
                ae
                """
            ),
            (
                true,
                """
                013494dac95d964bab25d414e9bfdfceadb5ab9ff6f1fbf9d6b8d5ebffe2f5fbf9d6b8d5ebffec5fe3ceb5ad6ac6d4\
                ecdbae79e60d65b2cf70a2f7fb28183740fa50afa503e9f4d6603e9f4fa5007d3e9f4d607d3e9f4d741801f4fa7d35\
                99b006b9eb458b549fcdb748843133e5133e5133e5f288983e5f2e31307cbe5c4983e5f2f94511003e5f2f9718a200\
                5973d67024242424242424242424242424e7
                """
            ),
            (
                true,
                """
                0136f18afac64fe3fa7ebd71c79d4e26a69abb91bf725aad2a07fe1b4bee7c7c666ddf7f703e33019f40193e00cfee\
                07c6630cfee01fc58070
                """
            ),
            (
                true,
                """
                0104318a425d639effe3ffe2ffcbfdffcdd5cd5571cfc77198efd7771b8954228a25af418d145145145dc228814512\
                11544fd6b7420a8ea270e0
                """
            ),
        ])

    static let aacInTS = Fixture(
        extradata: "",
        packets: [
            (
                true,
                """
                fff14c4012bffcde02004c61766335392e33372e313030000268a359a1288d35874a995f6f8a711e697b92243c2249\
                fffeae481374c37362b4f5b36d748babb83b668efc37b8b056ca9ad3252255cdb519ccb44a44a44899291281818191\
                03031b366c1819122446cd9b368912296596cdc012a2e237044aa9c8d64d8d708cf6d15748ce5d056c8cd392aa1c06\
                9929c9a26b9296ae
                """
            ),
            (
                true,
                """
                fff14c4014dffc013494dac95d964bab25d414e9bfdfceadb5ab9ff6f1fbf9d6b8d5ebffe2f5fbf9d6b8d5ebffec5f\
                e3ceb5ad6ac6d4ecdbae79e60d65b2cf70a2f7fb28183740fa50afa503e9f4d6603e9f4fa5007d3e9f4d607d3e9f4d\
                741801f4fa7d3599b006b9eb458b549fcdb748843133e5133e5133e5f288983e5f2e31307cbe5c4983e5f2f9451100\
                3e5f2f9718a2005973d67024242424242424242424242424e7
                """
            ),
            (
                true,
                """
                fff14c40081ffc0136f18afac64fe3fa7ebd71c79d4e26a69abb91bf725aad2a07fe1b4bee7c7c666ddf7f703e3301\
                9f40193e00cfee07c6630cfee01fc58070
                """
            ),
            (
                true,
                """
                fff14c40083ffc0104318a425d639effe3ffe2ffcbfdffcdd5cd5571cfc77198efd7771b8954228a25af418d145145\
                145dc22881451211544fd6b7420a8ea270e0
                """
            ),
        ])
}

/// The bytes of a string of hexadecimal digits; spaces do not count.
func bytes(hex: String) -> [UInt8] {
    let digits = hex.filter { !$0.isWhitespace }.compactMap(\.hexDigitValue)
    return stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] * 16 + digits[$0 + 1]) }
}
