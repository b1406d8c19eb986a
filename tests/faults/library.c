/* Preloaded into one rank: an HDF5 of another version. */
int H5get_libversion(unsigned* major, unsigned* minor, unsigned* release) {
  *major = 1;
  *minor = 99;
  *release = 7;
  return 0;
}
