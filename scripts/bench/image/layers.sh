# Makes the three layers of the test image: 1.tar, 2.tar and 3.tar in the directory $1, which is empty, and
# gnu.tar, what of GNU tar's own format umoci can't read. They have what the tools that make images write, and what those who unpack them get wrong. By bash and
# GNU tar, as root.
set -euo pipefail
umask 022
cd "$1"
mkdir 1 2 3 gnu

# The capability cap_net_raw=ep, as setcap(8) writes it.
capability=0x0100000200200000000000000000000000000000

# times LAYER: one time for all, with a fraction; a link's own too. What follows sets a few apart.
times() {
  find "$1" -depth -exec touch --no-dereference --date="@160000000${1%gnu}.12345678${1%gnu}" {} +
}

# archive LAYER NAME…: a PAX archive with xattrs; sparse files as such.
archive() {
  layer=$1
  shift
  tar --create --file="$layer.tar" --directory="$layer" --format=posix --sort=name --numeric-owner --sparse \
    --xattrs --xattrs-include='*' --exclude-from="$layer.later" "$@"
}

# later LAYER NAME…: appends just these, in this order; directories without what is in them.
later() {
  layer=$1
  shift
  tar --append --file="$layer.tar" --directory="$layer" --format=posix --numeric-owner --no-recursion \
    --xattrs --xattrs-include='*' "$@"
}

# Layer 1: everything there is.
cd 1
mkdir modes owners links devices xattrs times names sizes
for mode in 0000 0400 0644 0755 1644 2755 4755 6711 7777; do
  echo "$mode" >modes/file-$mode
  mkdir modes/directory-$mode
  chmod $mode modes/file-$mode modes/directory-$mode
done
for owner in 0:0 1:2 1000:100 65534:65534 3000000:4000000; do
  echo $owner >owners/$owner
  mkdir owners/directory-$owner
  ln -s nowhere owners/symlink-$owner
  chown -h $owner owners/*$owner
done
echo set-user-ID >owners/set-user-id
chown 1000:1000 owners/set-user-id
chmod 6755 owners/set-user-id
echo linked >links/b
chmod 4711 links/b
ln links/b links/a
ln links/b links/c
mkdir links/below
ln links/b links/below/d
ln -s b links/relative
ln -s ../links/b links/parent
ln -s /links/b links/absolute
ln -s /nowhere links/dangling
ln -s loop links/loop
ln -s "$(printf 'long/%.0s' $(seq 60))" links/long
ln -s ../../../../../../../etc/passwd links/out
ln links/relative links/hard-link-of-symlink
touch times/epoch times/before-1970 times/2100
mknod devices/null c 1 3
mknod -m 0600 devices/block b 7 3
mknod -m 0666 devices/large c 4095 1048575
mkfifo -m 0640 devices/fifo
ln devices/fifo devices/same-fifo
chown 1000:1000 devices/null
echo ping >xattrs/ping
mkdir xattrs/directory
setfattr -n user.directory -v one xattrs/directory
cp xattrs/ping xattrs/replaced
chown 1000:1000 xattrs/ping
chmod 0755 xattrs/ping
setfattr -n security.capability -v $capability xattrs/ping xattrs/replaced
setfattr -n user.text -v 'a text' xattrs/ping xattrs/replaced
setfattr -n user.bytes -v 0x00ff0a3d00 xattrs/ping
for size in 0 1 511 512 513 65535 65536 65537 1048577; do
  head -c $size /dev/zero | tr '\0' x >sizes/$size
done
truncate -s 5M sizes/hole
truncate -s 5M sizes/sparse
printf middle | dd of=sizes/sparse bs=1 seek=2000000 conv=notrunc status=none
printf end | dd of=sizes/sparse bs=1 seek=5242877 conv=notrunc status=none
long=$(printf 'n%.0s' $(seq 255))
mkdir -p "names/$long/$long/$long"
echo deep >"names/$long/$long/$long/$long"
echo long >"names/$(printf 'd%.0s' $(seq 100))"
echo name >'names/ leading and trailing '
echo name >"names/line
break"
echo name >'names/back\slash'
echo name >'names/Gehäuse-名前-🗄'
echo name >'names/-option'
echo name >names/.hidden
echo name >names/wh.not-a-whiteout
echo name >names/x.wh.y
ln "names/$(printf 'd%.0s' $(seq 100))" names/of-long

# Which later layers delete.
mkdir -p gone/directory/below gone/parts opaque/below opaque-last real merged-target again/directory
echo 1 | tee gone/file gone/directory/file gone/directory/below/file gone/parts/{keep,drop} gone/linked \
  opaque/{old,same} opaque/below/old opaque-last/{old,same} real/{file,old} merged-target/{file,old} \
  again/file again/directory/old gone-at-top >/dev/null
ln gone/linked gone/link-of-linked
ln -s ../real gone/symlink-to-directory
mkfifo gone/fifo
ln -s /merged-target merged
ln -s real also-real
# Which become something else.
mkdir -p change/directory-to-{file,symlink,fifo}/below change/kept unlisted listed
echo 1 | tee change/file-to-{directory,symlink,fifo,link,file} change/directory-to-{file,symlink,fifo}/below/file change/kept/file \
  change/behind-symlink unlisted/old listed/old >/dev/null
ln -s kept change/symlink-to-directory
ln -s behind-symlink change/symlink-to-file
ln -s one change/symlink-to-symlink
mkfifo change/fifo-to-file
mknod change/device-to-file c 1 3
cd ..
times 1
touch --date=@0 1/times/epoch
touch --date=@-86400.25 1/times/before-1970
touch --date=@4102444800.999999999 1/times/2100
touch --no-dereference --date=@1234567890.5 1/links/relative
: >1.later
archive 1 .

# Layer 2: deletes, changes and adds.
cd 2
mkdir -p gone/parts opaque/below opaque-last unlisted listed again merged also-real change xattrs links
touch gone/.wh.file gone/.wh.directory gone/parts/.wh.drop gone/.wh.linked gone/.wh.symlink-to-directory \
  gone/.wh.fifo gone/.wh.never-was .wh.gone-at-top opaque/.wh..wh..opq opaque-last/.wh..wh..opq \
  again/.wh.file again/.wh.directory merged/.wh.old also-real/.wh.old
echo 2 | tee opaque/new opaque/same opaque/below/new opaque-last/new opaque-last/same unlisted/new listed/new \
  merged/new also-real/new >/dev/null
mkdir -p change/file-to-directory/below change/symlink-to-directory
echo 2 | tee change/directory-to-file change/file-to-directory/below/file change/fifo-to-file \
  change/device-to-file change/symlink-to-file change/symlink-to-directory/file change/file-to-file >/dev/null
chmod 0600 change/file-to-file
ln -s kept change/directory-to-symlink
ln -s /change/kept change/file-to-symlink
ln -s two change/symlink-to-symlink
mkfifo change/directory-to-fifo change/file-to-fifo
ln change/file-to-file change/file-to-link
mkdir xattrs/directory
setfattr -n user.other -v two xattrs/directory
echo 'a link to a file of the layer below' >links/b
ln links/b links/later
chmod 0751 .
cd ..
times 2
cat >2.later <<END
./opaque-last
./unlisted
./merged
./also-real
END
archive 2 .
later 2 ./opaque-last ./opaque-last/new ./opaque-last/same ./opaque-last/.wh..wh..opq
later 2 ./unlisted/new ./merged/new ./merged/.wh.old ./also-real/new ./also-real/.wh.old
tar --delete --file=2.tar ./links/b

# Layer 3: in GNU tar's own format, without the leading dot; what layer 2 deleted is there again.
cd 3
mkdir -p again/directory xattrs names opaque
echo 3 | tee again/file again/directory/new xattrs/replaced opaque/third opaque/old >/dev/null
long=$(printf 'g%.0s' $(seq 200))
echo long >"names/$long"
ln -s "$long" names/link-to-long
echo 3 >names/owner
chown 3000000:4000000 names/owner
cd ..
times 3
touch --date=@-86400 3/names/owner
tar --create --file=3.tar --directory=3 --format=gnu --sort=name --numeric-owner again names opaque xattrs

# Sparse files of GNU tar's own kind, one with so many pieces that they don't fit into the header.
cd gnu
truncate -s 3M one
printf here | dd of=one bs=1 seek=1000000 conv=notrunc status=none
truncate -s 64M hole
truncate -s 3M many
for piece in $(seq 0 40); do
  printf "piece $piece" | dd of=many bs=1 seek=$((piece * 70000)) conv=notrunc status=none
done
echo whole >whole
cd ..
times gnu
tar --create --file=gnu.tar --directory=gnu --format=gnu --sort=name --numeric-owner --sparse .
